"""What Nix's store knows of paths and derivations, as each version of Nix prints it."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flakeship.caches.nar_entry import sha256_of
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.input_sources import input_sources
from flakeship.nix.stored import closure_of, outputs_of, valid_paths

pytestmark = pytest.mark.slow

FLAKE = """{
  inputs.there = { url = "path:%s/there"; flake = false; };
  inputs.home = { url = "path:%s/home"; inputs.same.follows = "there"; };
  outputs = { self, there, home }: {
    packages.%s.default = derivation {
      name = "two"; system = "%s"; builder = "/bin/sh"; outputs = [ "out" "doc" ];
      args = [ "-c" "echo ${there}/x > $out; echo $out > $doc" ];
    };
    packages.%s.fetched = derivation {
      name = "fetched"; system = "%s"; builder = "/bin/sh"; args = [ "-c" "echo -n > $out" ];
      outputHashMode = "flat"; outputHashAlgo = "sha256";
      outputHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    };
  };
}
"""
INNER = """{
  inputs.inner = { url = "path:%s/inner"; flake = false; };
  inputs.same = { url = "path:%s/none"; flake = false; };
  outputs = { self, inner, same }: { };
}
"""
SYSTEM = "x86_64-linux"


def check_what_is_read(nix: Nix, folder: Path) -> None:
    """A package of two outputs, signed, whose source is an input; one that is fetched; and inputs of inputs, of which one follows another."""
    for name in ("flake", "there", "home", "inner"):
        (folder / name).mkdir()
    (folder / "there/x").write_text("text")
    (folder / "home/flake.nix").write_text(INNER % (folder, folder))
    (folder / "flake/flake.nix").write_text(FLAKE % (folder, folder, *[SYSTEM] * 4))
    flake = str(folder / "flake")

    def run(*words: str) -> str:
        done = subprocess.run(
            words, env=dict(nix.environ), cwd=flake, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    secret = folder / "secret"
    secret.write_text(run("nix", "key", "generate-secret", "--key-name", "mine-1"))
    names = ("default.out", "default.doc") if nix.version < (2, 13) else ("default^*",)
    run(
        "nix",
        "build",
        "--no-link",
        "--option",
        "sandbox",
        "false",
        *(f".#{each}" for each in (*names, "fetched")),
    )
    two, fetched = (
        run("nix", "eval", "--raw", f".#{name}.drvPath").strip() for name in ("default", "fetched")
    )
    doc, out = (run("nix", "eval", "--raw", f".#default.{name}").strip() for name in ("doc", "out"))
    run("nix", "store", "sign", "--key-file", str(secret), doc)

    made = outputs_of(nix, [two, fetched])
    assert set(made[two].paths) == {doc, out}
    assert not made[two].fetched
    assert made[fetched].fetched
    assert outputs_of(nix, [two, f"/nix/store/{'0' * 32}-none.drv"]).keys() == {two}
    assert valid_paths(nix, [doc, f"/nix/store/{'0' * 32}-none"]) == [doc]

    found = {each.path: each for each in closure_of(nix, [doc])}
    inputs = {each.name: each for each in input_sources(nix, ".", cwd=flake)}
    source = inputs["there"].path
    assert found.keys() == {doc, out, source}
    assert (found[doc].deriver, found[doc].references) == (two, (out,))
    assert {each.partition(":")[0] for each in found[doc].sigs} == {"mine-1"}
    assert found[source].is_source
    assert not found[doc].is_source
    nar = run("nix-store", "--query", "--hash", doc).strip()
    assert sha256_of(found[doc].nar_hash) == sha256_of(nar)
    assert found[doc].nar_size == int(run("nix-store", "--query", "--size", doc))
    assert {name: each.private for name, each in inputs.items()} == {
        "there": True,
        "home": True,
        "home/inner": True,
    }


def test_nix_of_this_machine(nix: Nix, tmp_path: Path) -> None:
    check_what_is_read(nix, tmp_path)


@pytest.mark.parametrize("suite", ["trixie", pytest.param("sid", marks=pytest.mark.long)])
def test_nix_226_and_234(
    other_nix: Callable[[str], Path], nix_environ: Mapping[str, str], tmp_path: Path, suite: str
) -> None:
    """Nix 2.26 and 2.34, each with an empty store of its own."""
    path = f"{other_nix(suite)}:{nix_environ['PATH']}"
    environ = {
        **nix_environ,
        "PATH": path,
        "NIX_REMOTE": str(tmp_path / "root"),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
    }
    nix = Nix.find(environ=environ, emit=ignore)
    assert nix.version >= (2, 26)
    try:
        check_what_is_read(dataclasses.replace(nix, environ={**nix.environ, **environ}), tmp_path)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(tmp_path / "root")], check=False, capture_output=True)
