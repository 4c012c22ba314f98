"""A far store over one conversation: with a real `nix-daemon --stdio` at the other end, and with ends that misbehave.

What stands in for ssh is a program that drops ssh's arguments and runs the rest here; ssh itself is part of tests/e2e.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import Error, NotAllowedError, NotAnImageError, UnreachableError, UsageError
from flakeship.events import Event
from flakeship.nix.closure import PathInfo
from flakeship.nix.far_link import FarLink
from flakeship.nix.far_store import FarStore
from flakeship.nix.machine import Address, Machine
from flakeship.nix.worker_protocol import number, text

pytestmark = pytest.mark.slow

DROP = 'while [ "$1" != -- ]; do shift; done; shift\n'
DAEMON = 'exec "$@"\n'
LARGE = 2 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store in a folder of its own: its paths are /nix/store/… all the same."""
    return tmp_path / "far"


@pytest.fixture
def environ(nix_environ: Mapping[str, str], root: Path) -> dict[str, str]:
    return {**nix_environ, "NIX_REMOTE": f"local?root={root}"}


@pytest.fixture
def add(environ: Mapping[str, str], tmp_path: Path) -> Callable[[str, bytes], str]:
    """`add("name", b"content")` puts a file into the far store, and returns its path."""

    def added(name: str, content: bytes) -> str:
        file = tmp_path / name
        file.write_bytes(content)
        argv = ["nix", "store", "add-file", str(file)]
        return subprocess.run(argv, env=environ, check=True, capture_output=True, text=True).stdout.strip()

    return added


Open = Callable[..., FarStore]


@pytest.fixture
def opened(environ: Mapping[str, str], tmp_path: Path) -> Iterator[Open]:
    stores: list[FarStore] = []

    def opened(
        body: str = DAEMON, *, query: str = "", heard: list[Event] | None = None, **more: str
    ) -> FarStore:
        program = tmp_path / f"ssh-{len(stores)}"
        program.write_text(f"#!/bin/sh\n{DROP}{body}")
        program.chmod(0o755)
        machine = Machine(Address("far.example", query=query), "far.example")
        emit = heard.append if heard is not None else lambda _: None
        link = FarLink(machine=machine, ssh=(str(program),), environ={**environ, **more}, emit=emit)
        stores.append(FarStore(link))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


def read(store: FarStore, infos: tuple[PathInfo, ...]) -> list[bytes]:
    return [nar.read() or b"" for nar in store.nars(infos)]


def dumped(root: Path, path: str) -> bytes:
    argv = ["nix-store", "--dump", f"{root}{path}"]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def test_many_paths_over_one_connection(root: Path, add: Callable[[str, bytes], str], opened: Open) -> None:
    paths = [add(f"file-{number}", os.urandom(number * 1000)) for number in range(3)]
    heard: list[Event] = []
    store = opened(heard=heard)
    infos = tuple(info for path in paths for info in store.closure([path]))
    assert [info.path for info in infos] == paths
    assert read(store, infos) == [dumped(root, path) for path in paths]
    assert store.received == sum(info.nar_size for info in infos)
    assert read(store, infos[:1]) == [dumped(root, paths[0])]
    assert store.holds(paths[0])
    assert not store.holds(PATH)
    assert len(heard) == 1, "one command line"
    assert store.release.startswith("2.")


CUT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
left = int(sys.argv[1])
while left and (data := child.stdout.read1(min(left, 65536))):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    left -= len(data)
child.kill()
"""
FROZEN = f"{CUT}child.wait()\nimport time; time.sleep(600)\n"
"""A Nix that stands still, behind an ssh that answers."""


def cut(after: int, times: int, marks: Path, how: str = CUT) -> str:
    """The other end is gone after so many bytes of the first connections."""
    (marks.parent / "cut.py").write_text(how)
    return (
        f"n=$(ls {marks} | wc -l); touch {marks}/$n\n"
        f'if [ $n -lt {times} ]; then exec {sys.executable} {marks.parent}/cut.py {after} "$@"; fi\n{DAEMON}'
    )


@pytest.mark.parametrize("after", [20, 1_000_000, LARGE + 5000])
def test_a_lost_connection_is_made_once_more(
    root: Path, add: Callable[[str, bytes], str], opened: Open, tmp_path: Path, after: int
) -> None:
    (tmp_path / "marks").mkdir()
    paths = [add("large", os.urandom(LARGE)), add("small", b"x")]
    known = tuple(info for path in paths for info in opened().closure([path]))
    store = opened(cut(after, 1, tmp_path / "marks"))
    assert read(store, known) == [dumped(root, path) for path in paths]


def test_a_connection_that_is_lost_twice_is_an_error(
    add: Callable[[str, bytes], str], opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "marks").mkdir()
    known = opened().closure([add("large", os.urandom(LARGE))])
    store = opened(cut(1_000_000, 2, tmp_path / "marks"))
    with pytest.raises(UnreachableError, match=r"lost twice while /nix/store/\S+-large was read"):
        read(store, known)
    assert len(list((tmp_path / "marks").iterdir())) == 2


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.long)])
def test_an_end_that_stands_still_is_left_after_some_time(
    root: Path,
    add: Callable[[str, bytes], str],
    opened: Open,
    tmp_path: Path,
    mocker: MockerFixture,
    *,
    times: int,
) -> None:
    (tmp_path / "marks").mkdir()
    known = opened().closure([add("large", os.urandom(LARGE))])
    mocker.patch("flakeship.nix.far_link.SILENCE", 0.4)
    heard: list[Event] = []
    store = opened(cut(1_000_000, times, tmp_path / "marks", FROZEN), heard=heard)
    if times == 1:
        assert read(store, known) == [dumped(root, known[0].path)]
        assert "was lost (nothing came for 0.4 seconds), and is made once more" in str(heard)
    else:
        with pytest.raises(
            UnreachableError, match=r"lost twice while /nix/store/\S+-large was read"
        ) as raised:
            read(store, known)
        assert "nothing came" in raised.value.detail


def test_who_stops_early_can_read_on(root: Path, add: Callable[[str, bytes], str], opened: Open) -> None:
    """What was asked for and not read must not be taken for an answer to what is asked next."""
    large, small = add("large", os.urandom(LARGE)), add("small", b"x")
    store = opened()
    infos = store.closure([large]) + store.closure([small])
    for nar in store.nars(infos):
        nar.read(10)
        break
    assert read(store, infos[1:]) == [dumped(root, small)]


def test_who_is_left_behind_at_the_end_makes_no_connection(
    add: Callable[[str, bytes], str], opened: Open, mocker: MockerFixture
) -> None:
    mocker.patch("flakeship.nix.far_store._GRACE", 0.05)
    heard: list[Event] = []
    store = opened(heard=heard)
    nars = store.nars(store.closure([add("large", os.urandom(LARGE))]))
    nar = next(nars)
    nar.read(10)
    store.close()
    with pytest.raises(UnreachableError, match="is not asked any more"):
        nar.read()
    assert len(heard) == 1, "one command line, and no word of another"


def test_paths_are_kept_while_they_are_read(
    environ: Mapping[str, str], add: Callable[[str, bytes], str], opened: Open
) -> None:
    path = add("kept", b"x")
    delete = ["nix-store", "--delete", path]
    store = opened()
    infos = store.closure([path])
    assert subprocess.run(delete, env=environ, check=False, capture_output=True).returncode != 0
    store.close()
    subprocess.run(delete, env=environ, check=True, capture_output=True)
    with pytest.raises(NotAnImageError, match="removed there after it was built"):
        opened().closure([path])
    with pytest.raises(Error, match="-kept came from"):
        read(opened(), infos)


def test_what_is_not_built_yet_is_kept_from_its_first_moment_on(
    environ: Mapping[str, str], add: Callable[[str, bytes], str], opened: Open
) -> None:
    """Or a collector that runs there takes the result of a build before anybody asks for it."""
    path = add("early", b"x")
    delete = ["nix-store", "--delete", path]
    subprocess.run(delete, env=environ, check=True, capture_output=True)
    opened().keep([path])
    assert add("early", b"x") == path
    assert subprocess.run(delete, env=environ, check=False, capture_output=True).returncode != 0


def test_a_store_in_another_folder(opened: Open) -> None:
    with pytest.raises(UsageError, match="lies in another folder than /nix/store"):
        opened(NIX_STORE_DIR="/data/nix/store", NIX_REMOTE="").check()


def test_what_the_address_says_of_the_other_end(
    opened: Open, root: Path, add: Callable[[str, bytes], str]
) -> None:
    path = add("file", b"x")
    query = f"remote-program=/usr/bin/nix-daemon&remote-store=local?root={root}"
    store = opened('eval "exec $*"\n', query=query, NIX_REMOTE="")
    assert [info.path for info in store.closure([path])] == [path]


FAILURES = [
    ("echo Welcome, dear user", UnreachableError, "does not speak Nix's protocol: it says 'Welcome, dear user'"),
    ("echo Hi all.; sleep 60", UnreachableError, "does not speak Nix's protocol: it says 'Hi all.'"),
    ("printf '\\033[1mWelcome'", UnreachableError, "does not speak Nix's protocol$"),
    ("echo This account is currently not available.; exit 1", UnreachableError, r"may not log in there \(nologin\)"),
    ("echo \"error: creating directory '/nix/store': Read-only file system\" >&2; exit 1", UnreachableError, "its Nix ended: creating directory '/nix/store': Read-only"),
    ("echo \"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused\" >&2; exit 1", UnreachableError, r"reaches no daemon \(Connection refused\)"),
    ('echo "$1: command not found" >&2; exit 127', UnreachableError, "no `nix-daemon` is in the PATH"),
    ("echo 'u@far.example: Permission denied (publickey).' >&2; exit 255", NotAllowedError, "does not take the key"),
    ("echo 'Host key verification failed.' >&2; exit 255", NotAllowedError, "host key is not known"),
    ("echo 'ssh: connect to host far.example port 22: Connection refused' >&2; exit 255", UnreachableError, "refused"),
    ("exit 1", UnreachableError, "the connection was closed"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind", "words"), FAILURES)
def test_an_end_that_does_not_answer(opened: Open, body: str, kind: type[Error], words: str) -> None:
    with pytest.raises(kind, match=words):
        opened(f"{body}\n").check()


@pytest.mark.parametrize("times", [1, 2])
def test_an_end_that_closes_the_first_connection_is_reached_once_more(
    opened: Open, tmp_path: Path, times: int
) -> None:
    (tmp_path / "marks").mkdir()
    heard: list[Event] = []
    store = opened(cut(0, times, tmp_path / "marks"), heard=heard)
    if times == 1:
        store.check()
        assert "far.example closed the connection, which is made once more" in str(heard)
    else:
        with pytest.raises(
            UnreachableError, match=r"the store of far\.example can't be used: the connection was closed"
        ):
            store.check()
    assert len(list((tmp_path / "marks").iterdir())) == 2


def test_an_end_that_says_nothing(opened: Open, mocker: MockerFixture) -> None:
    mocker.patch("flakeship.nix.far_link.PATIENCE", 0.3)
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.3 seconds"):
        opened("exec sleep 60\n").check()


GREETED = number(0x6478696F) + number(0x115) + number(0x616C7473)
LAST = number(0x616C7473)
PATH = "/nix/store/00000000000000000000000000000001-x"
INFO = number(1) + text("") + text("0" * 64) + number(0) + number(0) + number(16) + number(0) * 2 + text("")
HOSTILE = {
    "another version": (number(0x6478696F) + number(0x209), "speaks version 2.9"),
    "an odd word": (GREETED + number(7), "which no Nix says"),
    "an endless word": (GREETED + number(0x6F6C6D67) + number(1 << 60), "a word of"),
    "no hash": (GREETED + LAST + number(0) + LAST + number(1) + LAST + number(1) + text("") + text("zz"), "the hash"),
    "an endless list": (GREETED + LAST + number(0) + LAST + number(1) + LAST + number(1) + text("") + text("0" * 64) + number(1 << 50), "a list of"),
    "a refusal": (GREETED + LAST + number(0) + number(0x63787470) + text("error: no") + number(1), "refuses to be read: error: no"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_an_end_that_says_what_no_nix_says(opened: Open, tmp_path: Path, case: str) -> None:
    """Answers that no real server gives: written by hand, in protocol 1.21."""
    data, words = HOSTILE[case]
    (tmp_path / "said").write_bytes(data)
    store = opened(f"exec tail -c +1 -f {tmp_path}/said\n")
    with pytest.raises(Error, match=words):
        store.closure([PATH])


def test_other_bytes_than_the_store_states(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "said").write_bytes(
        GREETED + LAST + number(0) + LAST + number(1) + LAST + INFO + LAST + b"sixteen letters."
    )
    store = opened(f"exec tail -c +1 -f {tmp_path}/said\n")
    infos = store.closure([PATH])
    with pytest.raises(NotAnImageError, match="with other bytes than its store states"):
        read(store, infos)
