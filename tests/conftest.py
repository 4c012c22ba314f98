"""Fixtures live in tests/testbed, one file for each real thing that tests run against."""

import functools
import gc
import importlib
import itertools
import os
import re
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.testbed.nix",
    "tests.testbed.other_nix",
    "tests.testbed.registry",
    "tests.testbed.registry_tls",
    "tests.testbed.docker",
    "tests.testbed.gitlab",
    "tests.testbed.podman",
    "tests.testbed.command",
    "tests.testbed.own_store",
    "tests.testbed.ssh",
    "tests.testbed.machines",
    "tests.testbed.newer_nix",
    "tests.testbed.cosign",
]

# How long an example takes says how busy the machine is. Whoever waits for a run has half of what CI tries.
settings.register_profile("untimed", deadline=None, max_examples=50 if "CI" in os.environ else 25)
settings.load_profile("untimed")

ROOT = Path(__file__).parent
_FOLDERS = itertools.count()


@functools.cache
def _grammars() -> Any:
    del sys.modules["rfc3987_syntax"]
    return importlib.import_module("rfc3987_syntax")


# jsonschema imports it for one format; it reads 38 grammars, which takes each worker a second.
_later: Any = ModuleType("rfc3987_syntax")
_later.is_valid_syntax = lambda *args: _grammars().is_valid_syntax(*args)
sys.modules["rfc3987_syntax"] = _later


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, which looks through the folders of all earlier tests to name one: thousands of times thousands."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}{next(_FOLDERS)}"
    folder.mkdir(mode=0o700)
    return folder


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A program that a test starts, or a server for it, is given the test's name, and starts with none of 128 KiB (execve(2))."""
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > 200 else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share", default="1/1", help="the files of one of several runs that share the tests: 1/2"
    )


@functools.cache
def _shares(count: int) -> dict[Path, int]:
    """The number of the run that has each file. Of files of like size each run gets one: forwards, then backwards."""
    files = sorted(ROOT.rglob("test_*.py"), key=lambda path: path.stat().st_size)
    order = (*range(1, count + 1), *range(count, 0, -1))
    return dict(zip(files, itertools.cycle(order), strict=False))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    mine, count = map(int, config.option.share.split("/"))
    return True if _shares(count).get(collection_path, mine) != mine else None


def pytest_collection_finish() -> None:
    """What was read stays as long as the run: it is not looked at again whenever garbage is collected."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """A shell starts what it runs in the background with SIGINT ignored, and so would be every program that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `long` runs where the marker is asked for by its name, and nowhere else."""
    if "long" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
