"""python -m flakeship."""

from flakeship.cli import entry

if __name__ == "__main__":
    entry()
