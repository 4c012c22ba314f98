"""./dev compatibility: ask the programs that tests run for their versions, and write docs/compatibility.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.compatibility.page import PAGE, written
from tests.compatibility.programs import VERSIONS, kept, known_versions, versions


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev compatibility", description=__doc__)
    parser.add_argument(
        "--render", action="store_true", help="make the page anew of the versions that are kept"
    )
    parser.add_argument("--image", default="", help="ask also what is in this image of the action, by docker")
    chosen = parser.parse_args(argv)
    if not chosen.render:
        VERSIONS.write_text(kept(versions(chosen.image, known_versions())))
    PAGE.write_text(written(PAGE.read_text(), known_versions()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
