"""./dev fuzz [--seconds N] [TARGET…]: each target in a process of its own, with limits of memory and of time.

`--input NUMBER` feeds one input of one target in this process, and shows what came of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.fuzzing.engine import LONGEST, Findings, fuzz, input_of
from tests.faults.fuzzing.targets import TARGETS

MEMORY: Final = 1 << 30
"""Bytes of address space that a target has. A reader that wants more gets a MemoryError, which is a crash."""

PEAK: Final = 200 << 20
"""Bytes of memory that a target may use."""

_SILENCE: Final = 6 * LONGEST
"""Seconds after which a process that begins no further input hangs where no alarm reaches it."""


@dataclass(slots=True)
class Fuzzed:
    """What the processes of one target found together; `peak` is in bytes."""

    target: str
    inputs: int = 0
    crashes: dict[int, str] = field(default_factory=dict)
    hangs: list[int] = field(default_factory=list)
    slowest: float = 0.0
    peak: int = 0

    @property
    def is_right(self) -> bool:
        return not self.crashes and not self.hangs and self.peak <= PEAK

    def add(self, found: Findings) -> None:
        self.inputs += found.inputs
        self.crashes |= {int(number): text for number, text in found.crashes.items()}
        self.hangs += found.hangs
        self.slowest = max(self.slowest, found.slowest)


def fuzzed(name: str, seconds: float) -> Fuzzed:
    """Feed the target for so long. A process that hangs is ended, and another goes on with the next input."""
    found, end, first = Fuzzed(name), time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        with tempfile.TemporaryDirectory() as folder:
            mark = Path(folder) / "begun"
            command = [sys.executable, "-m", "tests.faults.fuzzing", "--child", folder, "--first", str(first)]
            child = subprocess.Popen([*command, "--seconds", str(left), name])
            hung = _watch(child, mark)
            child.wait()
            if hung is None and child.returncode == 0:
                peak, findings = json.loads((Path(folder) / "found").read_bytes())
                found.peak = max(found.peak, peak)
                found.add(Findings(**findings))
                return found
            number = int(mark.read_text()) if mark.exists() else first
            if hung is None:
                found.crashes[number] = f"the process ended with {child.returncode}"
            else:
                found.hangs.append(number)
            found.inputs += number + 1 - first
            first = number + 1
    return found


def _watch(child: subprocess.Popen[bytes], mark: Path) -> bool | None:
    """Wait for its end; True if it was ended because it began nothing new for too long."""
    last, since = "", time.monotonic()
    while child.poll() is None:
        time.sleep(0.2)
        current = mark.read_text() if mark.exists() else ""
        if current != last:
            last, since = current, time.monotonic()
        elif time.monotonic() - since > _SILENCE:
            child.kill()
            return True
    return None


def _child(name: str, folder: Path, first: int, seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    target = next(target for target in TARGETS if target.name == name)
    end = time.monotonic() + seconds
    mark = folder / "begun"

    def numbers() -> Iterator[int]:
        for number in itertools.count(first):
            if time.monotonic() > end:
                return
            yield number

    (folder / "work").mkdir()
    found = fuzz(target, numbers(), folder / "work", begun=lambda number: _note(mark, number))
    (folder / "found").write_text(json.dumps([_peak(), asdict(found)]))


def _note(mark: Path, number: int) -> None:
    mark.write_text(str(number))


def _peak() -> int:
    """This process's alone: a child's `ru_maxrss` begins with that of who started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(each.name for each in TARGETS))
    parser.add_argument("--seconds", type=float, default=600, help="for each target (default: %(default)s)")
    parser.add_argument("--input", type=int, help="feed this one input, and print it")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    names = chosen.targets or [target.name for target in TARGETS]
    if unknown := set(names) - {target.name for target in TARGETS}:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    if chosen.child:
        _child(names[0], chosen.child, chosen.first, chosen.seconds)
        return 0
    if chosen.input is not None:
        return _show(names[0], chosen.input)
    results = run(names, chosen.seconds)
    return 0 if all(each.is_right for each in results) else 1


def run(names: Sequence[str], seconds: float) -> list[Fuzzed]:
    """Fuzz these targets, two at a time, and print a line for each."""
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: fuzzed(name, seconds), names))
    for each in results:
        line = f"{each.inputs} inputs, {len(each.crashes)} crashes, {len(each.hangs)} hangs"
        print(f"{each.target}: {line}, slowest {each.slowest:.2f} s, {each.peak >> 20} MiB")
        for number, text in [*each.crashes.items()][:3]:
            print(f"  --input {number}: {text.strip().splitlines()[-1]}")
        for number in each.hangs[:3]:
            print(f"  --input {number}: hangs")
    return results


def _show(name: str, number: int) -> int:
    target = next(target for target in TARGETS if target.name == name)
    print(repr(input_of(target, number)))
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(target, [number], Path(folder))
    print(*found.crashes.values(), f"{found.slowest:.2f} s" + (", a hang" if found.hangs else ""), sep="\n")
    return 1 if found.crashes or found.hangs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
