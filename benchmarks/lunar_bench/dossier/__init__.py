"""All that is known of a bundle, for whoever has to qualify it: one page, its data, raw records."""
