"""python -m flakeship."""

from flakeship.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
