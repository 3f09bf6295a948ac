"""A bundle's files, edited at random: does the runtime notice every edit."""
