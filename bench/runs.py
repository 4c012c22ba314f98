"""Runs of whole processes, side by side in one go: a registry on loopback, wall time and peak memory of each run."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FLAKESHIP = (sys.executable, "-m", "flakeship")


@dataclass(frozen=True, slots=True)
class Run:
    """`seconds` of wall time, `peak` resident memory of the largest process in bytes."""

    seconds: float
    peak: int


@dataclass(slots=True)
class Contender:
    """One way to do the job; `argv` is asked anew before each run, for a fresh name to push to."""

    name: str
    argv: Callable[[int], Sequence[str]]
    forget: Sequence[str] = ()
    whole: bool = True
    """False where a daemon does the work, whose memory is not that of the process measured."""
    runs: list[Run] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)


@dataclass(frozen=True, slots=True)
class Registry:
    host: str
    pid: int


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """A docker-registry on loopback that keeps its blobs in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: '{host}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder}/registry'}}, delete: {{enabled: true}}}}\n"
    )
    with subprocess.Popen(["docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://{host}/v2/")
            yield Registry(host, server.pid)
        finally:
            server.terminate()


def empty(folder: Path) -> None:
    """Forget what the registry holds, so that the next push is a cold one."""
    shutil.rmtree(folder / "registry", ignore_errors=True)


@contextlib.contextmanager
def kept(folder: Path, name: str) -> Iterator[None]:
    """The registry as it is when the block begins can be had again by `again`."""
    copy = folder / f"kept-{name}"
    shutil.copytree(folder / "registry", copy)
    try:
        yield
    finally:
        shutil.rmtree(copy)


def again(folder: Path, name: str) -> None:
    empty(folder)
    shutil.copytree(folder / f"kept-{name}", folder / "registry")


def measure(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Run:
    """Run once. SystemExit with its stderr if it fails."""
    begun = time.perf_counter()
    with subprocess.Popen(
        list(argv),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "FLAKESHIP_LAYER_CACHE": "off", **(environ or {})},
    ) as child:
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{said.decode(errors='replace')[-2000:]}")
    return Run(time.perf_counter() - begun, usage.ru_maxrss * 1024)


def alternate(
    contenders: Sequence[Contender], *, rounds: int, before: Callable[[Contender], None], title: str = ""
) -> None:
    """Each contender once a round, so that a machine that drifts drifts for all."""
    for number in range(rounds):
        for contender in contenders:
            if contender.forget:
                measure(contender.forget)
            before(contender)
            run = measure(contender.argv(number))
            contender.runs.append(run)
            print(f"  {title}{contender.name}: {run.seconds:.2f} s", file=sys.stderr)


def table(contenders: Sequence[Contender], *, ours: str) -> str:
    """Markdown: medians, and how many times as long as ours."""
    base = next(each.median for each in contenders if each.name == ours)
    lines = ["| | median | runs | times ours | peak memory |", "| --- | --- | --- | --- | --- |"]
    for each in contenders:
        memory = f"{each.peak / 2**20:.0f} MiB" if each.whole else ""
        times = f"{each.median / base:.1f}"
        lines.append(f"| {each.name} | {each.median:.2f} s | {_spread(each)} | {times} | {memory} |")
    return "\n".join(lines)


def processor_time(pid: int) -> float:
    """Seconds that a process has used, in its own code and in the kernel."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """The processor's name, the cores and the memory."""
    info = Path("/proc/cpuinfo").read_text()
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = names[0] if names else platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def version_of(tool: str) -> str:
    words = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return next(word for word in words if word[0].isdigit())


def _spread(contender: Contender) -> str:
    seconds = sorted(run.seconds for run in contender.runs)
    return f"{seconds[0]:.2f} to {seconds[-1]:.2f} s"


def _wait_for(url: str) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.05)
    raise SystemExit("docker-registry did not start")
