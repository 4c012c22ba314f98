"""Our own share of an SBOM: reading what Nix prints of so many store paths, and writing both documents.

    .venv/bin/python bench/sbom.py [PATHS …]

Nix is not run: what it would print is written to a folder before, 7 KB for each derivation. The files of every path lie there too,
five and of these two programs, and every twentieth path has a program that carries 100 crates. The measured process has the real-time class where that is allowed (`chrt -r 5`), so that others of this machine do not count.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, cast

from flakeship.nix.closure import in_order, read_closure
from flakeship.nix.derivation_files import read_derivations
from flakeship.nix.package_meta import read_meta
from flakeship.sbom.carried.files import found_on_disk
from flakeship.sbom.components import Knowledge, bill_of
from flakeship.sbom.formats import FORMATS, Format, written_as
from flakeship.sbom.model import Bill

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.sbom.elf_files import elf

BATCH = 200
SRI = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
LETTERS = "0123456789abcdfghijklmnpqrsvwxyz"


def store_path(name: str) -> str:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:20], "big")
    return f"/nix/store/{''.join(LETTERS[number >> 5 * place & 31] for place in range(32))}-{name}"


def made_up(folder: Path, count: int) -> None:
    """Write what Nix would print of `count` paths: two of each derivation, with twelve references each."""
    paths: list[dict[str, Any]] = []
    derivations: list[tuple[str, dict[str, Any]]] = []
    meta = []
    names = [f"package{number}" for number in range(count // 2)]
    for number, name in enumerate(names):
        outputs = {"out": store_path(f"{name}-1.{number}"), "lib": store_path(f"{name}-1.{number}-lib")}
        drv, source = store_path(f"{name}-1.{number}.drv"), store_path(f"{name}-1.{number}.tar.gz")
        below = [store_path(f"{names[other]}-1.{other}-lib") for other in range(max(0, number - 12), number)]
        paths += [
            {
                "path": path,
                "narHash": SRI,
                "narSize": 4096,
                "references": below,
                "deriver": drv,
                "signatures": ["cache:" + "x" * 88],
            }
            for path in outputs.values()
        ]
        env = {
            "pname": name,
            "version": f"1.{number}",
            "src": source,
            "buildCommand": "x" * 4000,
            "name": f"{name}-1.{number}",
        }
        inputs = [f"{source}.drv", *(store_path(f"input{each}.drv") for each in range(20))]
        derivations.append(
            (
                drv,
                {
                    "outputs": {key: {"path": path} for key, path in outputs.items()},
                    "inputDrvs": {key: ["out"] for key in inputs},
                    "env": env,
                },
            )
        )
        fetch = {
            "name": f"{name}-1.{number}.tar.gz",
            "urls": f"https://example.org/{name}-1.{number}.tar.gz",
            "outputHash": SRI,
            "outputHashMode": "flat",
        }
        derivations.append(
            (
                f"{source}.drv",
                {"outputs": {"out": {"path": source}}, "inputDrvs": {}, "env": {**fetch, "x": "x" * 3000}},
            )
        )
        meta.append({"key": drv, "outputs": list(outputs.values()), "pname": name, "version": f"1.{number}", "licenses": ["MIT"], "homepage": "https://example.org/",
            "description": "A package of its own, made up to be counted", "position": "/nix/store/x/pkgs/x.nix:12", "cpe": "", "possible": [], "purl": ""})  # fmt: skip
    for number, path in enumerate(paths):
        write_files(folder / "root" / path["path"].lstrip("/"), number)
    (folder / "paths").write_text(json.dumps(paths))
    for start in range(0, len(derivations), BATCH):
        (folder / f"derivations-{start}").write_text(json.dumps(dict(derivations[start : start + BATCH])))
    (folder / "meta").write_text("\n".join(map(json.dumps, meta)))


def write_files(folder: Path, number: int) -> None:
    """A library without crates, a program that has some in every twentieth path, and three files that are no programs."""
    (folder / "bin").mkdir(parents=True)
    names = [f"crate{number // 20 * 7 + each}" for each in range(100)]
    listed = [
        {
            "name": name,
            "version": "1.0.0",
            "source": "crates.io",
            "dependencies": [each + 1] if each < 99 else [],
        }
        for each, name in enumerate(names)
    ]
    carrying = {".dep-v0": zlib.compress(json.dumps({"packages": listed}).encode())}
    for name, data in (
        ("program", elf({".text": bytes(4096), **({} if number % 20 else carrying)})),
        ("library.so", elf({".text": bytes(4096)})),
        *((f"{each}.txt", b"x") for each in range(3)),
    ):
        (folder / "bin" / name).write_bytes(data)
        (folder / "bin" / name).chmod(0o555)


def bill_from(folder: Path) -> tuple[Bill, float]:
    """Return the bill, and when all was read."""
    infos = in_order(read_closure(json.loads((folder / "paths").read_bytes())))
    files = sorted(folder.glob("derivations-*"))
    derivations = {
        each.path: each for file in files for each in read_derivations(json.loads(file.read_bytes()))
    }
    with (folder / "meta").open() as lines:
        told = [read_meta(json.loads(line)) for line in lines]
    known = Knowledge(
        {each.path: each for each in infos},
        derivations,
        {path: each for each in told for path in each.outputs},
        found_on_disk((each.path for each in infos), root=str(folder / "root")),
    )
    read = time.perf_counter()
    bill = bill_of(known.paths, known, name="app", version="", created="1970-01-01T00:00:01Z", maker="1")
    return bill, read


def measured(folder: Path, form: Format) -> None:
    begun = time.perf_counter()
    bill, read = bill_from(folder)
    made = time.perf_counter()
    size = len(written_as(bill, form))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{bill.counts.paths:>6} paths with {bill.counts.carried} crates, {form:9}: {ended - begun:.2f} s (read {read - begun:.2f}, components {made - read:.2f}, "
        f"written {ended - made:.2f}), peak {peak} MiB, {size / 1e6:.1f} MB"
    )


def main(counts: list[str]) -> None:
    if counts[:1] == ["--measure"]:
        measured(Path(counts[2]), cast("Format", counts[1]))
        return
    if counts[:1] == ["--write"]:
        made_up(Path(counts[2]), int(counts[1]))
        return
    first = ["chrt", "-r", "5"]
    allowed = shutil.which("chrt") and subprocess.run([*first, "true"], check=False).returncode == 0
    for count in counts or ["1000", "20000"]:
        with tempfile.TemporaryDirectory() as folder:
            # Each in a process of its own: a child begins with the peak of its parent
            subprocess.run([sys.executable, __file__, "--write", count, folder], check=True)
            for form in FORMATS:
                command = [*(first if allowed else []), sys.executable, __file__, "--measure", form, folder]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
