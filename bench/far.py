"""Pushes to a registry that is far away: a relay on loopback adds round trips, and caps the bytes of a second.

The relay knows no slow start and loses nothing: it shows what waits for what, and how much goes over the line.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from images import archive
from picture import bars
from runs import Contender, alternate, machine, measure, table
from tests.testbed.registry import PASSWORD, USERNAME, Registry, serve
from tests.testbed.registry_token import token_server
from tests.testbed.relay import counted, delayed
from tools import OURS, publish

MBIT = 1_000_000 / 8
LABEL, LAYER, FIRST, COLD = "label", "layer", "first", "cold"
TOKEN, NAMES = "label, with a token", "label, three tags"
CASES = (LABEL, NAMES, TOKEN, LAYER, FIRST, COLD)
_SMALL = {"size": 3_000_000, "layers": 4}


@dataclass(frozen=True, slots=True)
class Pusher:
    """`argv` is the command line for a case, the host that it speaks to, its repository and the number of the round."""

    name: str
    argv: Callable[[str, str, str, int], Sequence[str]]
    cases: Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=f"of {CASES}"
    )
    parser.add_argument(
        "--milliseconds", nargs="+", type=float, default=[0, 20, 40, 100], help="of a round trip"
    )
    parser.add_argument(
        "--megabits", type=float, default=200, help="a second, for cold pushes (default: %(default)s)"
    )
    parser.add_argument(
        "--size", type=int, default=200, help="megabytes of a cold push (default: %(default)s)"
    )
    parser.add_argument("--layers", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--skopeo", default=shutil.which("skopeo") or "", help="may be given as a path")
    parser.add_argument("--crane", default=shutil.which("crane") or "", help="may be given as a path")
    parser.add_argument("--picture", type=Path, help="write a picture of the medians of labels (SVG)")
    chosen = parser.parse_args()
    print(f"On {machine()}.")
    drawn: dict[str, dict[str, float]] = {}
    with ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="far-")))
        os.environ["HOME"] = str(folder)
        write_archives(folder, chosen)
        pushers = list(every(folder, chosen))
        for case in chosen.cases:
            with registry(folder, case) as running:
                course = Course(case, running, pushers, folder)
                for milliseconds in [40.0] if case in (TOKEN, COLD) else chosen.milliseconds:
                    title = f"{case}, {milliseconds:g} ms"
                    rate = chosen.megabits * MBIT if case == COLD else 0.0
                    found = course.compare(milliseconds / 1e3, rate, chosen.rounds)
                    print(f"\n**{title}**\n\n{table(found, ours=OURS)}", flush=True)
                    if case == LABEL:
                        drawn[title] = {each.name: each.median for each in found}
                    if case == COLD:
                        least = course.bytes_of_ours() / rate
                        ours = found[0].median
                        print(
                            f"\nIts bytes take {least:.2f} s at that rate: {(ours / least - 1):.1%} over it."
                        )
                for name, trips in course.counts().items():
                    print(f"\n{name}: {trips} round trips one after another", flush=True)
    if chosen.picture:
        chosen.picture.write_text(bars(drawn, unit="s"), encoding="utf-8")


def write_archives(folder: Path, chosen: argparse.Namespace) -> None:
    """The image of many small layers, as it was, with another label and with another layer; a tiny one; a large one."""
    shape = {"size": 6_000_000, "layers": chosen.layers, "small": 50_000}
    archive(folder / "before.tar", **shape)
    archive(folder / "label.tar", **shape, label="two")
    archive(folder / "layer.tar", **shape, label="two", changed=1)
    archive(folder / "first.tar", **_SMALL)
    if COLD in chosen.cases:
        archive(folder / "cold.tar", size=chosen.size * 1_000_000, layers=20)


@contextmanager
def registry(folder: Path, case: str) -> Iterator[Registry]:
    """A registry of its own for each case, with the files of clients that log in there if it wants a token."""
    at = Path(tempfile.mkdtemp(dir=folder))
    if case != TOKEN:
        with serve(at) as running:
            yield running
        return
    with (
        token_server(at, username=USERNAME, password=PASSWORD) as tokens,
        serve(at / "registry", auth={"token": tokens.registry_config()}) as running,
    ):
        running.username, running.password, running.tokens = USERNAME, PASSWORD, tokens
        yield running


def log_in(folder: Path, *hosts: str) -> None:
    pair = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    (folder / ".docker").mkdir(exist_ok=True)
    (folder / ".docker/config.json").write_text(
        json.dumps({"auths": {host: {"auth": pair} for host in hosts}})
    )


def every(folder: Path, chosen: argparse.Namespace) -> Iterator[Pusher]:
    sources: Mapping[str, str] = {
        LABEL: "label.tar", NAMES: "label.tar", TOKEN: "label.tar", LAYER: "layer.tar", FIRST: "first.tar", COLD: "cold.tar",
    }  # fmt: skip

    def tags(case: str) -> Sequence[str]:
        return ("1", "2", "3") if case == NAMES else ("1",)

    def ours(case: str, host: str, repository: str, _: int) -> Sequence[str]:
        named = [flag for tag in tags(case) for flag in ("--tags", f"{host}/{repository}:{tag}")]
        return publish("--source", str(folder / sources[case]), "--plain-http", host, *named)

    def mutated(case: str, host: str, repository: str, number: int) -> Sequence[str]:
        reference = f"{host}/{repository}:1"
        first = (
            chosen.crane,
            "mutate",
            "--insecure",
            "--label",
            f"bench={number}",
            "--tag",
            reference,
            reference,
        )
        more = [f"{chosen.crane} tag --insecure {reference} {tag}" for tag in tags(case)[1:]]
        return ("sh", "-euc", "; ".join([" ".join(first), *more])) if more else first

    def pushed(case: str, host: str, repository: str, _: int) -> Sequence[str]:
        return (chosen.crane, "push", "--insecure", str(folder / sources[case]), f"{host}/{repository}:1")

    def copied(case: str, host: str, repository: str, _: int) -> Sequence[str]:
        where = f"docker://{host}/{repository}:1"
        flags = ("--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
        return (chosen.skopeo, *flags, f"docker-archive:{folder / sources[case]}", where)

    yield Pusher(OURS, ours, CASES)
    if chosen.crane:
        yield Pusher("crane mutate", mutated, (LABEL, NAMES, TOKEN))
        yield Pusher("crane push", pushed, (LABEL, LAYER, FIRST, COLD))
    if chosen.skopeo:
        yield Pusher("skopeo", copied, (FIRST, COLD))


@dataclass(frozen=True, slots=True)
class Course:
    """One case, its registry, and all that run there, ours first."""

    case: str
    running: Registry
    pushers: Sequence[Pusher]
    folder: Path

    @property
    def runners(self) -> list[Pusher]:
        return [each for each in self.pushers if self.case in each.cases]

    def compare(self, round_trip: float, rate: float, rounds: int) -> list[Contender]:
        """Seconds, with `round_trip` seconds between the registry and who pushes, and `rate` bytes a second."""
        with delayed(self.running.host, round_trip=round_trip, rate=rate) as far:
            host = far if round_trip else self.running.host
            if self.running.tokens:
                log_in(self.folder, host, self.running.host)
            contenders = [
                Contender(each.name, partial(each.argv, self.case, host, repository(each.name)))
                for each in self.runners
            ]
            title = f"{self.case}, {round_trip * 1e3:g} ms: "
            alternate(contenders, rounds=rounds, before=lambda each: self.before(each.name), title=title)
        return contenders

    def counts(self) -> dict[str, int]:
        """The round trips of one push that stand one after another, but for those to a token server."""
        found: dict[str, int] = {}
        for each in self.runners if self.case != COLD else ():
            self.before(each.name)
            with counted(self.running.host) as rounds:
                if self.running.tokens:
                    log_in(self.folder, rounds.host, self.running.host)
                measure(each.argv(self.case, rounds.host, repository(each.name), 0))
            found[each.name] = len(rounds.trips)
        return found

    def bytes_of_ours(self) -> int:
        """The bytes that our push of this case brings to an empty registry."""
        self.before(OURS)
        measure(self.pushers[0].argv(self.case, self.running.host, OURS, 0))
        return sum(path.stat().st_size for path in self.running.root.glob("docker/registry/v2/blobs/**/data"))

    def before(self, name: str) -> None:
        """The registry as it is when a push begins: it holds the image without the change, or nothing of it."""
        shutil.rmtree(self.running.root / "docker", ignore_errors=True)
        shutil.rmtree(self.folder / ".local", ignore_errors=True)
        if self.case in (FIRST, COLD):
            return
        host = self.running.host
        reference = f"{host}/{repository(name)}:1"
        measure(
            publish("--source", str(self.folder / "before.tar"), "--plain-http", host, "--tags", reference)
        )


def repository(name: str) -> str:
    return name.split(maxsplit=1)[0]


if __name__ == "__main__":
    main()
