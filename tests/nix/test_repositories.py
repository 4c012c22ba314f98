"""Sources that git or a lock file can't give, and what is to be done in each case."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.errors import NotAllowedError
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.nix.builds import failed
from tests.nix.failures import explained
from tests.nix.samples import FAILS

SELF = "\n       at /nix/store/x-source/flake.nix:1:74:\n\n            1| { version = self.revCount; }\n             |             ^"
GIT_FAILED = "error: program 'git' failed with exit code 128"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("fatal: could not read Username for 'https://git.example': terminal prompts disabled", "private"),
        ("fatal: Authentication failed for 'https://git.example/x.git/'", "insteadOf"),
        ("remote: HTTP Basic: Access denied. The provided password or token is incorrect", "access-tokens"),
        ("remote: Repository not found.", "check that it exists"),
        (
            "fatal: unable to access 'https://git.example/x/': The requested URL returned error: 403",
            "private",
        ),
        ("git@git.example: Permission denied (publickey).", "SSH_AUTH_SOCK"),
        ("error: cannot run ssh: No such file or directory", "install an ssh client"),
        ("ssh: connect to host git.example port 22: Connection refused", "reaches it"),
        ("ssh: Could not resolve hostname git.example: Name or service not known", "reaches it"),
        ("fatal: couldn't find remote ref refs/heads/nope", "the branch and the revision"),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        GIT_FAILED,
        "error: resolving Git reference 'master': revspec 'master' not found",
        "error:\n       … while fetching the input 'git+https://git.example/x.git?ref=a'\n\n       error: Failed to fetch git repository 'https://git.example/x.git'",
    ],
)
def test_what_git_said_is_quoted_with_what_to_give(nix: Nix, said: str, hint: str, error: str) -> None:
    """cachix/install-nix-action#205, DeterminateSystems/update-flake-lock#135."""
    general = "fatal: Could not read from remote repository."
    found = explained(nix, error, rest=("Cloning into bare repository", said, general))
    assert f'which github:o/r#image needs, can\'t be fetched: git says "{said}"' in found.message
    assert hint in found.hint
    assert said in found.detail


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            ("No ED25519 host key is known for git.example and you have requested strict checking.",),
            "git.example is not known",
        ),
        (
            ("@@@@@@@@", "Host key for [git.example]:22 has changed and you have requested strict checking."),
            "shows another key",
        ),
        (
            ("ECDSA host key for git.example has changed and you have requested strict checking.",),
            "shows another key",
        ),
        ((), "a host is not known"),
    ],
)
def test_a_host_that_ssh_does_not_trust_is_told_apart_from_a_key_that_is_not_taken(
    nix: Nix, said: tuple[str, ...], message: str
) -> None:
    """In the words of OpenSSH 7 to 10; NixOS/nix#2242."""
    rest = (*said, "Host key verification failed.", "fatal: Could not read from remote repository.")
    error = explained(nix, GIT_FAILED, rest=rest)
    assert isinstance(error, NotAllowedError)
    assert message in error.message
    assert "ssh-known-hosts" in error.hint
    assert "@@@" not in error.detail


def test_a_password_in_an_address_is_not_quoted(nix: Nix) -> None:
    said = (
        "fatal: unable to access 'https://me:hunter2@git.example/x/': The requested URL returned error: 403"
    )
    error = explained(
        nix, "error: Failed to fetch git repository 'https://me:hunter2@git.example/x'", rest=(said,)
    )
    assert "hunter2" not in error.message + error.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "error: '/w' is a shallow Git repository, but a non-shallow repository is needed",
            "lacks a part of its history",
            "`?shallow=1`",
        ),
        (
            "error: '/w' is a shallow Git repository, but shallow repositories are only allowed when `shallow = true;` is specified",
            "lacks a part of its history",
            "fetch-depth: 0",
        ),
        (f"error: attribute 'revCount' missing\n{SELF}", "asks for `revCount`", "`self.revCount or 0`"),
        (f"error: attribute 'rev' missing\n{SELF}", "asks for `rev`", "self.dirtyRev"),
        (f"error: attribute 'shortRev' missing\n{SELF}", "asks for `shortRev`", "self.dirtyShortRev"),
        (
            "error: lock file '/w/flake.lock' has unsupported version 99",
            "flake.lock has version 99",
            "a newer Nix",
        ),
        (
            "error: Could not parse '/w/flake.lock': [json.exception.parse_error.101] parse error",
            "is not JSON",
            "merge conflict",
        ),
        ('error: Git repository "/nowhere/y.git" does not exist.', "/nowhere/y.git", "address"),
    ],
)
def test_each_kind_of_broken_source_is_explained(nix: Nix, text: str, message: str, hint: str) -> None:
    """NixOS/nix#3756, koverstreet/bcachefs-tools#272."""
    error = explained(nix, text)
    assert message in error.message
    assert hint in error.hint


def test_another_json_that_can_not_be_read_is_not_the_lock_file(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").touch()
    (tmp_path / "flake.lock").write_text("{}")
    installable = Installable.parse(f"path:{tmp_path}#x", cwd=tmp_path)
    text = "error: [json.exception.parse_error.101] parse error at line 1"
    assert "can't be built" in explained(nix, text, installable=installable).message
    (tmp_path / "flake.lock").write_text("<<<<<<< HEAD\n{}")
    assert "is not JSON" in explained(nix, text, installable=installable).message


def test_a_fetcher_that_wants_credentials_leads_to_pass_env(nix: Nix) -> None:
    """NixOS/nixpkgs#321481."""
    wanted = "the NIX_GITHUB_PRIVATE_USERNAME and NIX_GITHUB_PRIVATE_PASSWORD env vars set."
    tail = (f"Error: Private fetchFromGitHub requires the nix building process to have {wanted}",)
    failure = f"error: builder for '{FAILS}' failed with exit code 1"
    hint = explained(nix, failure, tail=tail).hint
    assert "NIX_GITHUB_PRIVATE_USERNAME and NIX_GITHUB_PRIVATE_PASSWORD" in hint
    assert "`pass-env`" in hint
    assert "pass-env" not in explained(nix, failure, tail=("no",)).hint


@pytest.mark.parametrize("quoted", ["            1| version https://git-lfs.github.com/spec/v1\n", ""])
def test_a_pointer_of_git_lfs_is_recognised_in_source_and_in_a_log(nix: Nix, quoted: str) -> None:
    """actions/checkout#2208."""
    texts = (f"error: syntax error, unexpected end of file\n\n       at /x/data.nix:1:1:\n\n{quoted}",)
    if not quoted:
        texts = (f"error: builder for '{FAILS}' failed with exit code 1",)
    error = explained(
        nix, *texts, tail=() if quoted else ("tar: version https://git-lfs.github.com/spec/v1: bad",)
    )
    assert "`?lfs=1`" in error.hint


@pytest.fixture
def with_submodule(tmp_path: Path, git: Callable[..., str]) -> Path:
    for name in ("inner", "outer"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q", "-b", "main")
    (tmp_path / "inner/lib").mkdir()
    (tmp_path / "inner/lib/value.nix").write_text('throw "the value"')
    git(tmp_path / "inner", "add", "-A")
    git(tmp_path / "inner", "commit", "-q", "-m", "x")
    outer = tmp_path / "outer"
    git(
        outer,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(tmp_path / "inner"),
        "third/inner",
    )
    (outer / "flake.nix").write_text(
        "{ outputs = _: { packages.x86_64-linux.default = import ./third/inner/lib/value.nix; }; }"
    )
    git(outer, "add", "-A")
    git(outer, "commit", "-q", "-m", "x")
    return outer


@pytest.mark.slow
def test_a_file_of_a_submodule_leads_to_the_address_that_takes_it(nix: Nix, with_submodule: Path) -> None:
    """NixOS/nix#6633: the file is committed, in the submodule."""
    error = failed(nix, with_submodule, ".")
    assert "which is not in the flake's source" in error.message
    assert error.hint.startswith(
        "write `.?submodules=1`, since Nix leaves out the submodule third/inner otherwise"
    )
    assert "added to git" not in error.hint
    allowed = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
    }
    nix = replace(nix, environ={**nix.environ, **allowed})
    assert failed(nix, with_submodule, ".?submodules=1").message.endswith("can't be built: the value")


@pytest.mark.slow
def test_a_private_input_says_what_git_said(nix: Nix, tmp_path: Path, private: int) -> None:
    url = f"http://127.0.0.1:{private}/x/y.git"
    (tmp_path / "flake.nix").write_text(
        f'{{ inputs.a = {{ url = "git+{url}"; flake = false; }}; outputs = {{ a, self }}: {{ packages.x86_64-linux.default = a; }}; }}'
    )
    error = failed(nix, tmp_path, "path:.")
    assert f"git says \"fatal: could not read Username for 'http://127.0.0.1:{private}'" in error.message
    assert "it is private" in error.hint


@pytest.fixture
def private() -> Iterator[int]:
    """The port of a server that asks everybody for a password."""

    class Asks(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asks) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b", "ü", "a#b", "a%b"])
def test_a_folder_that_nix_can_not_name_is_explained_or_read(
    nix: Nix, tmp_path: Path, git: Callable[..., str], name: str
) -> None:
    """NixOS/nix#6394: newer versions read it."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "flake.nix").write_text('{ outputs = _: { packages.x86_64-linux.default = throw "read"; }; }')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    error = failed(nix, folder, ".")
    if not error.message.endswith("can't be built: read"):
        assert "reads no git repository in a folder with" in error.message
        assert "`git+file:.`" in error.hint
    for flake in ("git+file:.", "path:."):
        assert failed(nix, folder, flake).message.endswith("can't be built: read")


@pytest.mark.slow
def test_a_path_that_nix_does_not_decode_is_explained_or_read(nix: Nix, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "flake.nix").write_text('{ outputs = _: { packages.x86_64-linux.default = throw "read"; }; }')
    error = failed(nix, tmp_path, f"path:{tmp_path}/a%20b")
    if not error.message.endswith("can't be built: read"):
        assert error.message.endswith(f"there is no folder {tmp_path}/a%20b")
        assert "change to that folder and write `path:.`" in error.hint
    assert failed(nix, folder, "path:.").message.endswith("can't be built: read")


@pytest.mark.slow
def test_a_shallow_clone_is_explained(nix: Nix, tmp_path: Path, git: Callable[..., str]) -> None:
    (tmp_path / "whole").mkdir()
    git(tmp_path / "whole", "init", "-q", "-b", "main")
    (tmp_path / "whole/flake.nix").write_text("{ outputs = _: { }; }")
    git(tmp_path / "whole", "add", "-A")
    for text in ("one", "two"):
        git(tmp_path / "whole", "commit", "-q", "--allow-empty", "-m", text)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}/whole", "shallow")
    error = failed(nix, tmp_path, f"git+file://{tmp_path}/shallow?ref=main")
    assert "lacks a part of its history" in error.message
    assert "`?shallow=1`" in error.hint


@pytest.mark.parametrize(
    ("flake", "text", "expected"),
    [
        ("git+file:///w/a b", "error: 'git+file:///w/a b#image' is not a valid URL", "`git+file:///w/a%20b`"),
        (
            "git+file:///w/a b",
            'error: getting status of "/w/git+file:/w/a b": No such file',
            "`git+file:///w/a%20b`",
        ),
        (
            "github:o/r",
            "error: getting status of '/nix/store/x-source/sub:x': No such file",
            "check the name",
        ),
        ("github:o/r", "error: 'file:///input/a b' is not a valid URL", "--show-trace"),
    ],
)
def test_an_address_that_is_no_url_is_shown_as_one(nix: Nix, flake: str, text: str, expected: str) -> None:
    error = explained(nix, text, installable=Installable(flake, "image", (), "/", None))
    assert expected in error.hint


def test_another_set_without_a_rev_is_not_the_source(nix: Nix) -> None:
    error = explained(nix, "error: attribute 'rev' missing\n\n            1| { version = pin.rev; }")
    assert "can't be built: attribute 'rev' missing" in error.message


def test_without_a_word_of_git_nix_is_not_quoted_as_git(nix: Nix) -> None:
    error = explained(nix, rest=(GIT_FAILED,))
    assert error.message == "a git repository, which github:o/r#image needs, can't be fetched"


@pytest.mark.parametrize(
    "said", ["third/inner/a.c:1:2: error: expected ';'", "cat: third/inner/a: No such file or directory"]
)
def test_a_submodule_is_spoken_of_where_something_in_it_is_not_there(
    nix: Nix, tmp_path: Path, said: str
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "flake.nix").touch()
    (tmp_path / ".gitmodules").write_text('[submodule "inner"]\n\tpath = third/inner\n\turl = ../inner\n')
    failure = f"error: builder for '{FAILS}' failed with exit code 1"
    error = explained(nix, failure, tail=(said,), installable=Installable.parse(".", cwd=tmp_path))
    assert ("the submodule third/inner" in error.hint) == ("No such" in said)
    assert "nix log" in error.hint
