"""Many pairs over many processes and machines, with Dask."""
