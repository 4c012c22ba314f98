"""A Python that takes this machine for a Mac: what only Linux has is taken from it, and no program but a Mac's is found.

It stands in for macOS as far as that can be on Linux: `sys.platform`, `os.uname`, modules without Linux's names, files without
/proc. The kernel, the file system and the C library stay Linux's, and so do the programs, whose options are those of GNU.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

_SITE: Final = '''\
import os, sys, types

import _signal, _socket, fcntl, posix, resource, select, time

sys.platform = "darwin"
ABSENT = {
    os: """sched_ memfd_ MFD_ eventfd EFD_ timerfd TFD_ posix_fallocate posix_fadvise POSIX_FADV_ copy_file_range splice SPLICE_
        getxattr setxattr listxattr removexattr XATTR_ pidfd_ PIDFD_ setns unshare CLONE_ getrandom GRND_ setresuid setresgid
        getresuid getresgid fdatasync pipe2 RWF_ O_TMPFILE O_PATH O_DIRECT O_NOATIME O_LARGEFILE O_RSYNC waitid P_PIDFD
        SCHED_ ST_NODEV ST_NOEXEC ST_SYNCHRONOUS ST_MANDLOCK ST_WRITE ST_APPEND ST_NOATIME ST_NODIRATIME ST_RELATIME
        posix_openpt sendfile RTLD_DEEPBIND""",
    _signal: "SIGRT SIGPWR SIGSTKFLT SIGPOLL SIGCLD sigtimedwait sigwaitinfo pidfd_",
    _socket: "AF_NETLINK AF_PACKET AF_VSOCK AF_ALG SOCK_CLOEXEC SOCK_NONBLOCK TCP_INFO TCP_USER_TIMEOUT TCP_QUICKACK TCP_CORK"
    " TCP_KEEPIDLE SO_PEERCRED SO_MARK SO_BINDTODEVICE MSG_NOSIGNAL MSG_CMSG_CLOEXEC CAN_",
    select: "epoll EPOLL",
    resource: "prlimit RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RT RLIMIT_SIGPENDING RUSAGE_THREAD",
    fcntl: "F_SETPIPE F_GETPIPE F_ADD_SEALS F_GET_SEALS F_SEAL F_OFD F_SETLEASE F_GETLEASE F_NOTIFY",
    time: "CLOCK_BOOTTIME CLOCK_TAI",
}
ABSENT[posix] = ABSENT[os]  # whose names `os` has copied
EXACT = {"O_DIRECT", "waitid", "splice", "unshare"}
for module, names in ABSENT.items():
    for prefix in names.split():
        for name in list(vars(module)):
            if name == prefix or (prefix not in EXACT and name.startswith(prefix)):
                delattr(module, name)
select.PIPE_BUF = 512
linux = os.uname()
machine = {"aarch64": "arm64"}.get(linux.machine, linux.machine)
as_mac = os.uname_result(("Darwin", linux.nodename, "24.1.0", "Darwin Kernel Version 24.1.0", machine))
os.uname = posix.uname = lambda: as_mac
scproxy = types.ModuleType("_scproxy")
scproxy._get_proxy_settings = scproxy._get_proxies = dict
sys.modules["_scproxy"] = scproxy


def absent(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes)):
        if os.fsdecode(arguments[0]).startswith(("/proc", "/sys", "/dev/shm")):
            raise FileNotFoundError(2, "No such file or directory", arguments[0])


sys.addaudithook(absent)
'''
PROGRAMS: Final = ("nix", "git", "ssh", "ssh-keygen", "sh", "cat", "env")
"""What a Mac with Nix has, of what we and Nix start."""


def write_mac(folder: Path) -> dict[str, str]:
    """Make the Mac in `folder`, and return the variables by which a Python and its programs live there."""
    site, programs = folder / "site", folder / "bin"
    for part in (site, programs):
        part.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(_SITE)
    for name in PROGRAMS:
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    # as long as one of macOS: /var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T
    temporary = folder / "var/folders/zz" / ("z" * 40) / "T"
    temporary.mkdir(parents=True)
    return {"PYTHONPATH": str(site), "PATH": str(programs), "TMPDIR": str(temporary)}
