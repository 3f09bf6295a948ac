"""`python -m lunar_runtime` is `lunar-infer`."""

from .cli import main

if __name__ == "__main__":
    main()
