"""A program of its own, which imports nothing of ours: it makes namespaces, gives up all rights, and becomes another program.

`launcher.py MODE PATH… -- PROGRAM ARGUMENT…`, by a Python that is isolated (-I). MODE is

- `store`: the program sees PATH… and a few devices and nothing else: no network, no other process, no file of ours;
- `own`: the program sees all files and the network, and no process but its own. It takes root.
- `nobody`: the program is nobody's, and so reads no file that is not everybody's. It takes root, and no namespace but
  one of processes, if that can be made.
- `plain`: the program may do what its user may.
- `user`: the same, and what it leaves running when it ends is its own affair, and how it ends by SIGTERM too.
- `sweep`: there is no program. When whoever started us has ended, the files PATH… are removed.

Else nothing that the program has started outlives it, and in no mode it outlives whoever started us: if our stdin is a
pipe, its end is theirs (docs/decisions.md#a-pipe-tells-scripts-of-our-end). The program's stdin is empty.

Without a PROGRAM it only shows whether all that is possible. The names are those of unshare(2), user_namespaces(7) and
pivot_root(2), the order is bubblewrap's: https://github.com/containers/bubblewrap/blob/main/bubblewrap.c
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import stat
import sys

NOT_POSSIBLE = 124
NOT_STARTED = 125


def _sweep(paths: list[str]) -> int:
    while os.read(0, 4096):
        pass
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return 0


if sys.platform != "linux":  # what follows is of its kernel alone
    sys.exit(_sweep(sys.argv[2:-1]) if sys.argv[1:2] == ["sweep"] else NOT_POSSIBLE)
_CLONE = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 0x1000, 0x4000, 0x40000
_KEPT = {1024: 1024, 2048: 2048, 4096: 1 << 21}  # what statvfs tells of a mount's times, as mount(2) takes it
_DETACH = 2
_PDEATHSIG, _CAPBSET_DROP, _CHILD_SUBREAPER, _NO_NEW_PRIVS = 1, 24, 36, 38
_LAST_CAPABILITY = 63
_PIVOT_ROOT = {"x86_64": 155, "i686": 217, "ppc64le": 203, "s390x": 217, "armv7l": 218}
_PIVOT_ROOT_ELSEWHERE = 41  # aarch64, riscv64, loongarch64: the table that all newer architectures share
_BASES = ("/sys", "/mnt", "/media", "/srv", "/opt", "/run", "/tmp", "/var")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PASSWD = "root:x:0:0:root:/tmp:/noshell\nnobody:x:65534:65534:nobody:/tmp:/noshell\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"
_ROOM = "size=64m,mode=755"
_NOBODY = 65534
_UNCONFINED = ("plain", "user")


def _environ() -> dict[bytes, bytes]:
    """The environment as it was given: Python itself may have added LC_CTYPE to it (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:
        entries = (entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry)
        return {name: value for name, _, value in entries}


_ENVIRON = _environ()
libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [os.fsencode(text) if text is not None else None for text in (source, target, kind)]
    last = data.encode() if data is not None else None
    if libc.mount(*texts, ctypes.c_ulong(flags), last):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _namespaces(mode: str) -> None:
    """The user's own script keeps what root may do; others get a user namespace, in which they are who they were."""
    uid, gid = os.geteuid(), os.getegid()
    if mode in _UNCONFINED:
        return
    if mode == "nobody":
        with contextlib.suppress(OSError):
            _call("unshare", _CLONE["pid"])
        return
    if mode == "own":
        _call("unshare", _CLONE["mount"] | _CLONE["pid"])
        return
    if uid == 0:
        os.setgroups([])
    _call("unshare", sum(_CLONE.values()))
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as opened:
            opened.write(text)


def _only(paths: list[str]) -> None:
    """Make a root of these paths, read-only, and go there."""
    base = next(
        place
        for place in _BASES
        if os.path.isdir(place)
        and not os.path.islink(place)
        and not any(path == place or path.startswith(f"{place}/") for path in paths)
    )
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("tmpfs", base, "tmpfs", _NOSUID | _NODEV, _ROOM)
    for path in paths:
        _show(path, base + path, flags=_RDONLY | _NOSUID | _NODEV)
    for device in _DEVICES:
        _show(f"/dev/{device}", f"{base}/dev/{device}", flags=_NOSUID | _NOEXEC)
    for folder in ("tmp", "etc"):
        os.makedirs(f"{base}/{folder}", exist_ok=True)
    with contextlib.suppress(OSError):  # paths of ours may lie there, where nothing may be changed
        os.chmod(f"{base}/tmp", 0o1777)
    for name, text in (("passwd", _PASSWD), ("group", _GROUP)):
        with open(f"{base}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)
    os.mkdir(f"{base}/.before")
    number = _PIVOT_ROOT.get(os.uname().machine, _PIVOT_ROOT_ELSEWHERE)
    _call("syscall", ctypes.c_long(number), os.fsencode(base), os.fsencode(f"{base}/.before"))
    os.chdir("/")
    _call("umount2", b"/.before", _DETACH)
    os.rmdir("/.before")


def _show(path: str, target: str, *, flags: int) -> None:
    """Bind `path` there; what is not there is left out, and a symbolic link is made anew."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(path), target)
        return
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    _mount(path, target, None, _BIND | _REC)
    there = os.statvfs(target).f_flag
    kept = there & (_RDONLY | _NOSUID | _NODEV | _NOEXEC) | sum(
        ours for bit, ours in _KEPT.items() if there & bit
    )
    if stat.S_ISCHR(mode):
        kept &= ~_NODEV
    _mount("none", target, None, _REMOUNT | _BIND | kept | flags)


def _powerless() -> None:
    """Without capabilities, now and after every exec."""
    for number in range(_LAST_CAPABILITY + 1):
        libc.prctl(_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)


def _first(mode: str, paths: list[str], program: list[str], parent: int) -> int:
    """Be the first process of the namespaces: set them up, start the program, return its status."""
    try:
        if mode == "nobody":  # but the launcher is not, so that the program can't end it
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        if not _dies_with(parent):  # of which a process that becomes another user is relieved
            return NOT_POSSIBLE << 8
        if mode in _UNCONFINED:
            return _followed(program)
        if mode == "own":
            _mount("none", "/", None, _REC | _PRIVATE)
            _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
            return _followed(program)
        if mode == "store":
            _only(paths)
        _powerless()
    except (OSError, StopIteration) as error:
        print(f"no confinement: {error}", file=sys.stderr)
        return NOT_POSSIBLE << 8
    return _followed(program)


def _dies_with(parent: int) -> bool:
    """Have the kernel end this process with its parent, which has one thread; False if that has ended already."""
    libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() in (0, parent)  # 0: the parent is outside of the namespace


def _followed(program: list[str]) -> int:
    """Start the program, and reap whatever loses its parent until the program ends."""
    if not program:
        return 0
    first = os.getpid()
    child = os.fork()
    if not child:
        # what it starts is not told; that is ended by the namespace, or by the launcher
        if _dies_with(first):
            _become(program)
        os._exit(NOT_STARTED)
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def _become(program: list[str]) -> None:
    for number in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
        signal.SIGTERM,
    ):  # we ignore them, and what is ignored stays so
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program[0], program, _ENVIRON)
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr, flush=True)
    os._exit(NOT_STARTED)


def main(argv: list[str]) -> int:
    """End as the program ends: with its code, or by its signal."""
    mode, *rest = argv
    at = rest.index("--")
    paths, program = rest[:at], rest[at + 1 :]
    if mode == "sweep":
        return _sweep(paths)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    parent = os.getpid()
    try:
        _namespaces(mode)
    except OSError as error:
        print(f"no confinement: {error}", file=sys.stderr)
        return NOT_POSSIBLE
    if mode == "user":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the whole group gets it
    else:
        libc.prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    lifeline = os.dup(0) if program and stat.S_ISFIFO(os.fstat(0).st_mode) else None
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    out, into = os.pipe()
    child = os.fork()
    if not child:
        status = _first(mode, paths, program, parent)
        os.write(into, status.to_bytes(4, "little"))
        os._exit(0)
    try:
        if mode != "user":
            signal.signal(signal.SIGTERM, _ended)
        os.close(into)
        os.close(1)  # who reads our stdout waits until nobody holds it
        told = _told(out, lifeline)
    except _EndedError:
        told = b""
    _end(mode, child, early=not told)
    status = int.from_bytes(told, "little") if told else signal.SIGKILL
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)


class _EndedError(Exception):
    """Whoever started us ends us."""


def _ended(*_: object) -> None:
    raise _EndedError


def _told(out: int, lifeline: int | None) -> bytes:
    """The status that the first process tells; nothing if it was killed, or our stdin has ended."""
    waiting = select.poll()
    waiting.register(out, select.POLLIN)
    if lifeline is not None:
        waiting.register(lifeline, select.POLLIN)
    while True:
        ready = {handle for handle, _ in waiting.poll()}
        if out in ready:
            return os.read(out, 4)
        if lifeline in ready and not os.read(lifeline, 4096):
            return b""


def _end(mode: str, child: int, *, early: bool) -> None:
    if mode == "user":
        if (
            early and os.getpgrp() == os.getpid()
        ):  # as whoever starts us ends us, who makes us a group of our own
            os.killpg(0, signal.SIGKILL)
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _end_descendants()


def _end_descendants() -> None:
    """Kill our children until there are none: what they leave behind becomes ours (PR_SET_CHILD_SUBREAPER)."""
    while True:
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _children() -> list[int]:
    """The processes whose parent we are; none where the namespace, whose root has no /proc, has ended them all.

    /proc/PID/stat is `PID (NAME) STATE PARENT …`, and a name may hold anything.
    """
    ours, found = str(os.getpid()).encode(), []
    numbers: list[str] = []
    with contextlib.suppress(OSError):
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    for name in numbers:
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            if file.read().rpartition(b")")[2].split()[1] == ours:
                found.append(int(name))
    return found


if __name__ == "__main__":
    sys.stdout = None  # it is the program's
    raise SystemExit(main(sys.argv[1:]))
