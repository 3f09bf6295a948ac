"""`python -m lunar_runtime` is `lunar-infer`."""

from lunar_runtime.commands.infer import main

if __name__ == "__main__":
    main()
