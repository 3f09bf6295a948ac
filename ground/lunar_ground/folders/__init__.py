"""Result folders of `lunar-infer`, as the ground reads them."""
