"""The image of the action: what takes the space, and how long it takes to its first line.

usage: ./dev bench image IMAGE [RUNS]      needs a Docker engine that has the image
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PARTS = {
    "Nix": ("nix-bin", "libnix", "libboost", "libaws", "liblowdown", "libgc", "libsodium", "libcpuid", "libblake3", "libeditline"),
    "libcurl, SQLite, libarchive and what they need": (
        "libcurl", "libsqlite", "libarchive", "libbrotli", "libnghttp", "libngtcp", "libssh2", "libicu", "libxml2", "libldap",
        "libkrb5", "libgssapi", "libk5crypto", "libsasl2", "librtmp", "libpsl", "libgnutls", "libexpat", "libunistring",
    ),
    "git": ("git", "liberror-perl", "perl", "libperl"),
    "Python": ("python3", "libpython3"),
    "ssh client": ("openssh-client", "libfido2", "libcbor"),
    "CA certificates and OpenSSL": ("ca-certificates", "openssl", "libssl3"),
}  # fmt: skip
OURS = "flakeship and its libraries"
REST = "Debian's base and small libraries"

# Sums up the files of each package as they lie there: Debian's own numbers count documentation that slim images lack.
MEASURE = """
import glob, os
def size(path):
    found = os.lstat(path)
    return found.st_size if not os.path.isdir(path) or os.path.islink(path) else 0
for list_ in glob.glob('/var/lib/dpkg/info/*.list'):
    files = [line for line in open(list_).read().split('\\n') if line and os.path.lexists(line)]
    print(os.path.basename(list_).split(':')[0].removesuffix('.list'), sum(map(size, files)))
ours = [os.path.join(folder, name) for folder, _, names in os.walk('/opt/flakeship') for name in names]
print('/opt', sum(map(size, ours)))
"""


def first_output(*argv: str) -> float:
    """Seconds from `docker run` to the first byte."""
    begun = time.monotonic()
    with subprocess.Popen(
        ["docker", "run", "--rm", "--network", "none", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        assert child.stdout
        child.stdout.read(1)
        took = time.monotonic() - begun
        child.communicate()
    return took


def sizes(image: str, total: int) -> dict[str, int]:
    """Bytes by part."""
    text = docker("run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", MEASURE)
    found = dict.fromkeys((*PARTS, OURS), 0)
    for package, size in (line.split() for line in text.splitlines()):
        part = (
            OURS
            if package == "/opt"
            else next((name for name, of in PARTS.items() if package.startswith(of)), "")
        )
        if part:
            found[part] += int(size)
    return found | {REST: total - sum(found.values())}


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout


def main(image: str, runs: int) -> None:
    total = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    print("| part | MB |\n| --- | ---: |")
    for name, size in sorted(sizes(image, total).items(), key=lambda item: -item[1]):
        print(f"| {name} | {size / 1e6:.0f} |")
    print(f"| **the image** | **{total / 1e6:.0f}** |\n")
    echo, ours = [], []
    for _ in range(runs):
        echo.append(first_output("--entrypoint", "/bin/echo", image, "x"))
        ours.append(first_output(image, "--source", "/none"))
    print(
        f"first byte of /bin/echo after {statistics.median(echo):.3f} s, of flakeship after {statistics.median(ours):.3f} s"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 15)
