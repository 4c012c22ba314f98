"""Bad input to `flakeship metadata`, as a user writes it: one error that names the input, the line and the column."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import pytest

from flakeship.cli import main
from tests.metadata import events

PASSWORD = "hunter2-canary"
Ended = tuple[int, str, str]
Command = Callable[..., Ended]


@pytest.fixture
def metadata(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """`metadata("--tags", "…", environ={…})` is the exit code, stdout and stderr; the environment is all there is of it."""
    monkeypatch.chdir(tmp_path)

    def run(*flags: str, environ: Mapping[str, str]) -> Ended:
        around = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
        }
        with mock.patch.dict(os.environ, {**around, **environ}, clear=True):
            return (main(["metadata", *flags]), *capsys.readouterr())

    return run


def test_a_flag_that_a_later_one_replaces_is_told_to_the_user(metadata: Command) -> None:
    code, _, told = metadata("--auto-labels=true", "--auto-labels=false", "--tags=a/b:c", environ={})
    assert code == 0
    assert "note: --auto-labels is given twice: 'false' counts, 'true' does not" in told


TAG = events.gitlab("tag v1.2.3") or {}

BAD = [
    ("tags", "a\ntype=foo", "tags, line 2, column 6: unknown type 'foo'"),
    ("tags", "type=raw,vale=x", "tags, line 1, column 10: unknown key 'vale'"),
    ("tags", "# c\n type=ref,event=push", "tags, line 2, column 17: unknown event 'push'"),
    ("tags", "type=raw,value=x-{{brunch}}", "tags, line 1, column 18: {{brunch}} is not known here"),
    ("tags", "type=semver,pattern={{mayor}}", "tags, line 1, column 21: {{mayor}} is not known here"),
    ("tags", "type=raw,value={{date 'Y' tz='Mars/Base'}}", "tags, line 1, column 16: {{date}}: unknown time zone 'Mars/Base'"),
    ("tags", "type=raw,value={{date}}", "tags, line 1, column 16: {{date}}: one format is needed"),
    ("tags", 'a\ntype=raw,value="x"', "tags, line 2, column 16: a double quote may only enclose a whole field"),
    ("tags", 'a\n"type=raw,value=x', "tags, line 2, column 1: a quote is opened here and never closed"),
    ("tags", '"type=raw,value=x"\n"type=foo"', "tags, line 2, column 7: unknown type 'foo'"),
    ("tags", "type=sha,prefix=-", "tags, line 1, column 1: the tag -860c190 begins with a dot or a dash"),
    ("tags", "type=raw,value=" + "x" * 129, "tags, line 1, column 16: the tag xxx"),
    ("tags", "type=match,pattern=(", "tags, line 1, column 20: pattern=( is not a regular expression"),
    ("tags", "ok\nghcr.io/u!p:1", "tags, line 2, column 1: "),
    ("images", "a/b\nname=a b", "images, line 2, column 6: 'a b' is not an image name"),
    ("images", "a/b\nenable=maybe,name=x", "images, line 2, column 8: enable is 'maybe'"),
    ("flavor", "\nlatest=yes", "flavor, line 2, column 8: latest is 'yes'"),
    ("flavor", "suffix={{sha}}\nprefix={{x}}", "flavor, line 2, column 8: {{x}} is not known here"),
    ("labels", "a=1\n=x", "labels, line 2, column 1: a label must be KEY=VALUE"),
    ("labels", "a=1\nb={{x}}", "labels, line 2, column 3: {{x}} is not known here"),
    ("annotations", "a=1\n=x", "annotations, line 2, column 1: an annotation must be KEY=VALUE"),
    ("annotations", "indx:a=1", "annotations, line 1, column 1: unknown annotation level 'indx'"),
    ("annotations-levels", "index,manifest\nindex, indx", "annotations-levels, line 2, column 8: unknown annotation level 'indx'"),
    ("annotations", "index[linux]:a=1\nindex[a b]:a=1", "annotations, line 2, column 1: 'a b' is not a platform"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words"), BAD)
def test_a_mistake_is_named_with_input_line_and_column(
    metadata: Command, name: str, text: str, words: str
) -> None:
    for given in ((f"--{name}", text), *(() if '"' in text else (_flags(name, text),))):
        code, out, told = metadata(*given, environ=TAG)
        assert (code, out) == (2, "")
        (error,) = [line for line in told.splitlines() if "error: " in line]
        assert words in error
        assert "  -> " in told, "a hint says what to do"


def _flags(name: str, text: str) -> tuple[str, ...]:
    """The same, a flag for each line: they are counted on."""
    return tuple(f"--{name}={line}" for line in text.split("\n"))


@pytest.mark.parametrize("name", ["labels", "annotations"])
def test_a_line_that_is_no_pair_is_left_out_as_metadata_action_does_and_said(
    metadata: Command, name: str
) -> None:
    code, out, told = metadata(
        f"--{name}", "a=1\n  nonsense\nb=2", "--auto-labels=false", "--json", environ=TAG
    )
    found = json.loads(out)
    assert (code, found["labels"], found["annotations"]) == (
        (0, {"a": "1", "b": "2"}, []) if name == "labels" else (0, {}, ["manifest:a=1", "manifest:b=2"])
    )
    assert f"{name}, line 2, column 3: nonsense is not KEY=VALUE and is left out" in told


@pytest.mark.parametrize("version", ["v1", "1.2", "1.2.3.4"])
def test_a_version_that_is_none_is_a_warning_that_names_it(metadata: Command, version: str) -> None:
    environ = {**TAG, "CI_COMMIT_TAG": version}
    code, out, told = metadata(
        "--tags", "type=semver,pattern={{version}}\ntype=semver,pattern={{major}}\ntype=sha", environ=environ
    )
    assert code == 0
    assert told.count(f"'{version}' is no semantic version") == 2
    assert "\nTags\n  registry.gitlab.com/octo/app:sha-860c190\nLabels\n" in out


@pytest.mark.parametrize(
    ("rule", "column", "tag"),
    [
        ("type=ref,event=tag,", 20, "v1.2.3"),
        ("type=ref,event=tag,,suffix=-x", 20, "v1.2.3-x"),
        ("type=raw,value=a,b", 18, "b"),
        ("type=raw,value=a,", 18, ""),
    ],
)
def test_a_stray_comma_is_a_warning_and_means_what_metadata_action_makes_of_it(
    metadata: Command, rule: str, column: int, tag: str
) -> None:
    code, out, told = metadata("--tags", f"{rule}\ntype=raw,enable=false,x", "--json", environ=TAG)
    names = json.loads(out)["tag-names"]
    assert (code, names[:1]) == (0, [tag] if tag else [])
    assert f"tags, line 1, column {column}: there may be a comma too many" in told
    assert "line 2" not in told


def test_many_stray_commas_of_a_rule_are_one_warning(metadata: Command) -> None:
    """A warning for each would repeat the line as often as it has commas."""
    code, _, told = metadata("--tags", "type=raw,value=a,b,c,d", "--json", environ=TAG)
    assert code == 0
    assert told.count("there may be a comma too many before 'b' and 2 more fields in ") == 1
    assert told.count("comma too many") == 1


def test_a_version_with_build_metadata_is_one(metadata: Command) -> None:
    environ = {**TAG, "CI_COMMIT_TAG": "v1.2.3-rc.1+build"}
    code, out, told = metadata("--tags", "type=semver,pattern={{version}}", "--json", environ=environ)
    assert (code, told, json.loads(out)["tag-names"]) == (0, "", ["1.2.3-rc.1"])


def test_two_rules_that_give_the_same_tag_give_it_once(metadata: Command) -> None:
    flags = ("--tags", "type=raw,value=x\ntype=raw,value=x,priority=1")
    assert json.loads(metadata(*flags, "--json", environ=TAG)[1])["tag-names"] == ["x"]
    explained = metadata(*flags, "--explain", environ=TAG)[1]
    assert "-  type=raw,value=x,priority=1  (type=raw,value=x gives x already)" in explained.splitlines()


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (None, "the event payload can't be read"),
        ("", "the event payload can't be read (it is not JSON)"),
        ("{", "the event payload can't be read (it is not JSON)"),
        ("[" * 10_000, "the event payload can't be read (it is nested too deeply)"),
        ("[1]", "the event payload is not a JSON object"),
        ('{"repository": {"full_name": "evil/app"}}', "the event payload is of evil/app, not of octo/app"),
        ('{"release": {}}', ""),
    ],
)
def test_without_its_payload_an_event_is_what_the_environment_says(
    metadata: Command, tmp_path: Path, payload: str | None, words: str
) -> None:
    environ = events.github("tag v1.2.3", tmp_path)
    (tmp_path / "event.json").unlink()
    if payload is not None:
        (tmp_path / "event.json").write_text(payload)
    code, out, told = metadata("--images", "o/n", "--json", environ=environ)
    assert code == 0
    assert words in told
    assert json.loads(out)["tags"] == ["o/n:v1.2.3", "o/n:latest"]
    assert json.loads(out)["labels"]["org.opencontainers.image.source"] == "https://github.com/octo/app"


def test_without_git_nothing_is_known_and_it_is_said(metadata: Command, tmp_path: Path) -> None:
    for environ, words in (
        ({"PATH": "/nowhere"}, "git can't be started"),
        ({}, "this folder is not in a git repository"),
    ):
        code, out, told = metadata("--tags", "type=sha\nmine", "--images", "o/n", "--json", environ=environ)
        assert (code, json.loads(out)["tags"]) == (0, ["o/n:mine"])
        assert words in told


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        (f"https://mona:{PASSWORD}@git.example:8443/octo/app.git", "https://git.example:8443/octo/app"),
        (f"https://{PASSWORD}@git.example/octo/app", "https://git.example/octo/app"),
        (f"ssh://mona:{PASSWORD}@git.example:22/octo/app", "https://git.example/octo/app"),
        (f"mona:{PASSWORD}@git.example:octo/app.git", "https://git.example/octo/app"),
        ("git@git.example:octo/app.git", "https://git.example/octo/app"),
        (f"https://mona:1/{PASSWORD}@git.example/octo/app", ""),
        (f"ext::sh -c {PASSWORD}", ""),
        ("file:///srv/octo/app.git", ""),
        ("", ""),
    ],
)
def test_a_password_in_the_remote_is_printed_nowhere(
    metadata: Command, tmp_path: Path, git: Callable[..., str], remote: str, source: str
) -> None:
    (tmp_path / "file").write_text("1")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "checkout", "-q", "--detach")
    if remote:
        git(tmp_path, "remote", "add", "origin", remote)
    (tmp_path / "file").write_text("2")
    said = metadata("--log-level", "debug", "--json", environ={})
    assert PASSWORD not in str(said)
    labels = json.loads(said[1])["labels"]
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    assert labels["org.opencontainers.image.source"] == labels["org.opencontainers.image.url"] == source
    assert labels["org.opencontainers.image.revision"] == f"{head}-dirty"
    assert labels["org.opencontainers.image.version"] == "main"
