"""The catalogue of Nix's messages, in the words of each version."""

# ruff: noqa: RUF001 - nixpkgs quotes the names of packages so
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.errors import BuildError, ResourceError
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.explain import explain_failure, query_installable
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.log import TAIL, Log
from tests.nix.failures import explained
from tests.nix.samples import BUILDER_FAILED, DRV, FAILS, MISSING_FEATURE, WRONG_SYSTEM


@pytest.mark.parametrize("version", BUILDER_FAILED)
def test_a_failed_builder_is_named_with_its_exit_code(nix: Nix, version: str) -> None:
    error = explained(
        nix,
        BUILDER_FAILED[version],
        f"error: 1 dependencies of derivation '{DRV}' failed to build",
        tail=("make: ***", "about to fail"),
    )
    assert isinstance(error, BuildError)
    assert error.message == "building fails failed: its builder exited with code 3"
    assert error.detail == "make: ***\nabout to fail"
    assert f"nix log {FAILS}" in error.hint


def test_a_failed_builder_without_a_log_quotes_nix(nix: Nix) -> None:
    """A remote builder's log may be in Nix's message only."""
    error = explained(
        nix, f"error: builder for '{FAILS}' failed with exit code 2;\n       last 1 log lines:\n       > boom"
    )
    assert "> boom" in error.detail


@pytest.mark.parametrize(
    "text",
    [
        "error: '/w' is not a Git repository",
        "error: opening Git repository \"/w\": failed to resolve path '/r/.git/worktrees/x': No such file or directory",
    ],
)
def test_a_worktree_without_its_repository_is_explained(nix: Nix, text: str) -> None:
    error = explained(nix, text)
    assert "can't be opened" in error.message
    assert "`path:.`" in error.hint


@pytest.mark.parametrize("contained", [True, False])
def test_the_absent_half_of_a_worktree_is_named(nix: Nix, tmp_path: Path, contained: bool) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/flake.nix").touch()
    (tmp_path / ".git").write_text("gitdir: /absent/app/.git/worktrees/x\n")
    nix = replace(nix, environ={**nix.environ, **({"container": "oci"} if contained else {})})
    here = Installable.parse(str(tmp_path / "sub"), cwd=tmp_path)
    error = explained(nix, f"error: '{tmp_path}' is not a Git repository", installable=here)
    assert "its other half, /absent/app/.git/worktrees/x, is not here" in error.message
    assert ('-w "${PWD}" -v "/absent/app/.git:/absent/app/.git:ro"' in error.hint) is contained
    assert "`path:.`" in error.hint


@pytest.mark.parametrize("contained", [True, False])
def test_a_worktree_that_git_knows_elsewhere_is_explained(nix: Nix, tmp_path: Path, contained: bool) -> None:
    """Its repository was mounted where it lies, and the worktree at another place."""
    git, work = tmp_path / "app/.git", tmp_path / "work"
    (git / "worktrees/x").mkdir(parents=True)
    (git / "worktrees/x/gitdir").write_text("/house/mona/x/.git\n")
    work.mkdir()
    (work / ".git").write_text(f"gitdir: {git}/worktrees/x\n")
    (work / "flake.nix").touch()
    nix = replace(nix, environ={**nix.environ, **({"container": "oci"} if contained else {})})
    said = f"error: getting working directory status: failed to open directory '{tmp_path}': No such file or directory"
    error = explained(nix, said, installable=Installable.parse(".", cwd=work))
    assert "git knows this worktree at /house/mona/x, and that folder is not here" in error.message
    assert (f'-w "${{PWD}}" -v "{git}:{git}:ro"' in error.hint) is contained


def test_a_submodule_alone_is_told_to_mount_the_repository_around_it(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: ../../.git/modules/libs/sub\n")
    (tmp_path / "flake.nix").touch()
    nix = replace(nix, environ={**nix.environ, "container": "oci"})
    error = explained(
        nix, f"error: '{tmp_path}' is not a Git repository", installable=Installable.parse(".", cwd=tmp_path)
    )
    assert '-v "$(git rev-parse --show-superproject-working-tree):/work" -w "/work' in error.hint
    assert '/libs/sub" …' in error.hint


def test_another_user_of_a_container_is_told_to_be_root(nix: Nix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    said = "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': No such file or directory"
    contained = replace(nix, environ={"container": "oci"})
    assert "leave `--user` of `docker run` out" in explained(contained, said).hint
    assert "--user" not in explained(nix, said).hint


def test_a_container_keeps_no_log_for_later(nix: Nix) -> None:
    contained = replace(nix, environ={"container": "oci"})
    error = explained(contained, BUILDER_FAILED["2.8"])
    assert "nix log" not in error.hint


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (" of silence", "nothing was heard of it for 7 seconds, which is its limit (`max-silent-time`)"),
        ("", "it took more than 7 seconds, which is its limit (`timeout`)"),
    ],
)
@pytest.mark.parametrize("output", ["!out", "^out", ""])
def test_a_build_that_took_too_long_names_the_setting(nix: Nix, end: str, words: str, output: str) -> None:
    said = f"error: building of '{FAILS}{output}' from .drv file timed out after 7 seconds{end}"
    error = explained(nix, said, "error: 1 dependencies of derivation '/nix/store/x-y.drv' failed to build")
    assert error.message == f"building fails was ended: {words}"
    assert "in nix-config or nix.conf" in error.hint
    assert "of the machine of `store`" in explained(nix.building_in("ssh-ng://b1"), said).hint


def test_a_killed_builder_names_the_signal(nix: Nix) -> None:
    error = explained(nix, f"error: builder for '{FAILS}' failed due to signal 9 (Killed)")
    assert error.message == "building fails failed: its builder was ended by signal 9"
    assert "memory ran out" in error.hint


def test_a_full_disk_is_recognised_in_the_builder_and_in_nix(nix: Nix) -> None:
    for error in (
        explained(nix, BUILDER_FAILED["2.8"], tail=("cp: write error: No space left on device",)),
        explained(nix, "error: writing to file: No space left on device"),
    ):
        assert isinstance(error, ResourceError)
        assert "the disk is full" in error.message
        assert "nix store gc" in error.hint


@pytest.mark.parametrize("version", WRONG_SYSTEM)
def test_a_package_for_another_system_names_both_systems(nix: Nix, version: str) -> None:
    error = explained(nix, WRONG_SYSTEM[version])
    assert error.message == "github:o/r#image is for aarch64-linux, and this machine is x86_64-linux"
    assert "`builders`" in error.hint
    assert "qemu" in error.hint
    assert "extra-platforms = aarch64-linux" in error.hint


@pytest.mark.parametrize("version", MISSING_FEATURE)
def test_a_missing_feature_of_the_machine_is_named(nix: Nix, version: str) -> None:
    error = explained(nix, MISSING_FEATURE[version])
    assert error.message == "github:o/r#image needs a machine with the features kvm"
    assert "/dev/kvm" in error.hint


def test_the_reason_that_nix_2_34_gives_is_part_of_the_message(nix: Nix) -> None:
    error = explained(
        nix, f"error: Cannot build '{DRV}'.\n       Reason: the moon is full.\n       Output paths:\n  /x"
    )
    assert error.message == f"github:o/r#image can't be built: Cannot build '{DRV}'. the moon is full."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            (
                f"error: hash mismatch in fixed-output derivation '{DRV}':\n"
                "         specified: sha256-AAAA=\n            got:    sha256-BBBB="
            ),
            "the source app-1.0 is not what the flake says: its hash is sha256-BBBB=, not sha256-AAAA=",
            "put the new hash",
        ),
        (
            (
                "error:\n       … while calling\n\n       error: Package ‘vault-1.2’ in /nix/store/x:3 has an unfree license "
                "(‘bsl11’), refusing to evaluate."
            ),
            "needs vault-1.2, whose licence is unfree",
            "allow-unfree: true",
        ),
        (
            "error: access to absolute path '/etc' is forbidden in pure eval mode (use '--impure' to override)",
            "reads something that is outside the flake",
            "impure: true",
        ),
        (
            "error: cannot look up '<nixpkgs>' in pure evaluation mode (use '--impure' to override)",
            "reads something that is outside the flake",
            "impure: true",
        ),
        (
            (
                "error: experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features "
                "ca-derivations' to override"
            ),
            "needs Nix's experimental feature ca-derivations",
            "extra-experimental-features = ca-derivations",
        ),
        (
            "error: unable to download 'https://api.github.com/repos/o/r': HTTP error 404\n\n       response body:",
            "https://api.github.com/repos/o/r answers 404",
            "access-tokens",
        ),
        (
            "error: unable to download 'https://x.example/a.tgz?token=canary': Couldn't resolve host name (6)",
            "something that github:o/r#image needs can't be downloaded: https://x.example/a.tgz",
            "down at the moment",
        ),
        (
            "error: unable to download 'https://x.example/a.tgz': HTTP error 503",
            "can't be downloaded",
            "down at the moment",
        ),
        (
            "error: Failed to fetch git repository 'https://x.example/r': Could not resolve host: x.example",
            "the git repository https://x.example/r, which github:o/r#image needs, can't be fetched: git says",
            "proxy",
        ),
        (
            "error: getting status of '/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/a.nix': No such file or directory",
            "reads a.nix, which is not in the flake's source",
            "added to git",
        ),
        (
            "error: path '/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/sub/a.nix' does not exist",
            "reads sub/a.nix, which is not in the flake's source",
            "added to git",
        ),
        (
            "error: Path 'a.nix' in the repository \"/r\" is not tracked by Git.",
            "reads a.nix, which is not in the flake's source",
            "added to git",
        ),
        (
            "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
            "daemon does not answer",
            "systemctl start nix-daemon",
        ),
        (
            "error: file 'nixpkgs' was not found in the Nix search path (add it using $NIX_PATH or -I)",
            "reads <nixpkgs>, and the search path of Nix has no such entry",
            "`nix-path: nixpkgs=PATH-OR-URL`",
        ),
        (
            "error: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not permitted",
            "daemon does not answer, or this user may not",
            "as root",
        ),
        (
            "error: creating directory '/nix/store': Read-only file system",
            "Nix can't write to its store",
            "`-v flakeship-nix:/nix`",
        ),
        (
            "error: creating directory '/nix/store': Permission denied",
            "daemon does not answer, or this user may not",
            "as root",
        ),
        (
            "error:\n       … while evaluating\n\n       error: undefined variable 'foo'",
            "github:o/r#image can't be built: undefined variable 'foo'",
            "--show-trace",
        ),
    ],
)
def test_each_message_of_the_catalogue_is_recognised(nix: Nix, text: str, message: str, hint: str) -> None:
    error = explained(nix, text)
    assert isinstance(error, BuildError)
    assert (error.exit_code == 6) == ("down at the moment" in error.hint)
    assert message in error.message
    assert hint in error.hint
    assert error.detail


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_a_cache_folder_that_nix_cannot_make_is_named_with_its_variables(
    nix: Nix, tmp_path: Path, name: str
) -> None:
    """Nix itself says it, and says only which folder."""
    folder = tmp_path / "flake"
    folder.mkdir()
    (folder / "flake.nix").write_text("{ outputs = _: { x = 1; }; }")
    (tmp_path / "file").touch()
    environ = {variable: value for variable, value in nix.environ.items() if variable != "XDG_CACHE_HOME"}
    nix = replace(nix, environ=environ | {name: str(tmp_path / "file")})
    installable = Installable.parse(f"path:{folder}#x", cwd=tmp_path)
    with pytest.raises(ResourceError, match=f"cache folder: .*{tmp_path}/file") as caught:
        query_installable(nix, installable, "eval", "--json", "--", str(installable))
    assert "XDG_CACHE_HOME" in caught.value.hint


@pytest.mark.parametrize(
    ("folder", "known"),
    [("/u", True), ("/u/.cache", True), ("/u/.cache/nix", True), ("/u/work", False), ("/u/.cached", False)],
)
@pytest.mark.parametrize("text", ["creating directory '{}': Permission denied", "'{}' is not a directory"])
def test_only_the_cache_folder_is_taken_for_it(nix: Nix, folder: str, known: bool, text: str) -> None:
    of_user = replace(nix, environ={"HOME": "/u"})
    assert isinstance(explained(of_user, f"error: {text.format(folder)}"), ResourceError) == known


def test_a_failure_without_a_message_gives_the_exit_code(nix: Nix) -> None:
    error = explained(nix)
    assert error.message == "github:o/r#image can't be built: nix failed with exit code 1"


def test_errors_outside_the_json_log_are_recognised_too(nix: Nix) -> None:
    assert (
        "unfree" in explained(nix, rest=("error: Package ‘a’ in /x:1 has an unfree license (‘u’)",)).message
    )


@pytest.mark.parametrize("before", [0, 100])
def test_the_detail_of_a_long_trace_is_around_the_last_error(nix: Nix, before: int) -> None:
    trace = [f"… while {number}" for number in range(100)]
    lines = [*trace[:before], "error: the reason", *trace[before:]]
    detail = explained(nix, "\n".join(lines)).detail.splitlines()
    assert "error: the reason" in detail
    assert len(detail) == TAIL


def test_without_a_list_of_packages_the_hint_names_nix_flake_show(nix: Nix) -> None:
    text = "error: flake 'x' does not provide attribute 'packages.x86_64-linux.image', 'legacyPackages…' or 'image'"
    installable = Installable("path:/nowhere", "image", (), "/", None)
    log = Log(ignore)
    log.errors.append(text)
    error = explain_failure(Failure(nix, installable, 1, log))
    assert error.message == "the flake path:/nowhere has no package 'image'"
    assert "nix flake show" in error.hint
    assert error.detail == text


def test_a_query_that_fails_is_explained_as_a_build_is(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = _: throw ''so it is''; }")
    installable = Installable.parse(f"path:{tmp_path}#x", cwd=tmp_path)
    with pytest.raises(BuildError, match="can't be built: so it is"):
        query_installable(nix, installable, "eval", "--json", "--", str(installable))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("error: cannot find flake 'flake:image' in the flake registries", "there is no flake image"),
        (
            "error: unable to download 'https://x.example/registry.json': Couldn't resolve host name (6)",
            "image needs",
        ),
    ],
)
def test_a_lone_attribute_name_is_explained(nix: Nix, text: str, message: str) -> None:
    log = Log(ignore)
    log.errors.append(text)
    error = explain_failure(Failure(nix, Installable("image", "", (), "/", None), 1, log))
    assert message in error.message
    assert "`.#image`" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "error: flake output attribute 'packages' is not a derivation",
        "error: expected flake output attribute 'packages' to be a derivation or path but found a set",
    ],
)
def test_an_attribute_that_is_not_a_package_is_explained(nix: Nix, tmp_path: Path, text: str) -> None:
    (tmp_path / "flake.nix").write_text(
        "{ outputs = _: { packages.x86_64-linux = { app = { isExe = true; }; other = 1; }; }; }"
    )
    log = Log(ignore)
    log.errors.append(text)
    installable = Installable.parse(f"path:{tmp_path}#packages", cwd=tmp_path)
    error = explain_failure(Failure(nix, installable, 1, log))
    assert "is not a package" in error.message
    assert "the flake has the images app" in error.hint


@pytest.mark.parametrize(
    "tail", [("make: *** [all] Error 1",), ("cat: notes.txt: No such file or directory",)]
)
def test_a_builder_that_fails_for_another_reason_is_told_of_no_untracked_file(
    nix: Nix, tmp_path: Path, git: Callable[..., str], tail: tuple[str, ...]
) -> None:
    git(tmp_path, "init", "-q")
    for name in ("flake.nix", "notes.txt"):
        (tmp_path / name).touch()
    here = Installable.parse(".", cwd=tmp_path)
    error = explained(nix, BUILDER_FAILED["2.8"], tail=tail, installable=here)
    assert ("git does not track" in error.hint) == ("notes.txt" in tail[0])
    assert f"nix log {FAILS}" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "error: unable to download 'https://me:canary@x.example/a.tgz': HTTP error 404",
        "error: unable to download 'https://canary@x.example/a.tgz': HTTP error 503",
        "error: cannot find flake input 'git+https://me:canary@x.example/r'",
        "error: Failed to fetch git repository 'https://me:canary@x.example/r'",
        "error: cannot parse 'http://:canary@x.example'",
    ],
)
def test_the_password_of_an_address_is_in_no_message(nix: Nix, text: str) -> None:
    """Nix prints the addresses of a flake's inputs as they are written."""
    error = explained(nix, text, rest=("fatal: unable to access 'https://me:canary@x.example/r/'",))
    assert "x.example" in f"{error.message}{error.detail}"
    assert "canary" not in f"{error.message}{error.hint}{error.detail}"
