"""Results as one HTML page that works from the disk: maps, clouds and numbers side by side.

`folders` reads what `lunar-infer` wrote, `truth_file` the truth; `pairs` brings all of a pair onto
one grid; `layers` says which maps there are; `packing` makes them small; `html` makes the page out
of the files in `static`.
"""
