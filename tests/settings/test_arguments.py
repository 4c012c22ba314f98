"""Flag over FLAKESHIP_ over INPUT_ over default; secrets from file, stdin and environment, never from a flag."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, TextIO

import pytest

from flakeship.errors import UsageError
from flakeship.settings import habits
from flakeship.settings.arguments import Invocation, read
from flakeship.settings.command_line import COMMANDS, WITHOUT_FLAG, takes
from flakeship.settings.declaration import Settings, inputs
from flakeship.settings.sizes import parse_size, spelled_size

CANARY = "hunter2-canary"


def given(*flags: str, stdin: str = "", **environ: str) -> Invocation:
    return read(
        ["publish", *flags],
        {name.replace("__", "-"): value for name, value in environ.items()},
        io.StringIO(stdin),
    )


def settings(*flags: str, stdin: str = "", **environ: str) -> Settings:
    return given(*flags, stdin=stdin, **environ).settings


def test_defaults() -> None:
    assert settings(PATH="/bin", HOME="/root") == Settings()


def test_precedence() -> None:
    environ = {"INPUT_FLAKE": "input"}
    assert settings(**environ).flake == ("input",)
    environ["FLAKESHIP_FLAKE"] = "variable"
    assert settings(**environ).flake == ("variable",)
    assert settings("--flake", "flag", **environ).flake == ("flag",)
    assert settings("--flake=flag", **environ).flake == ("flag",)


@pytest.mark.parametrize("prefix", ["INPUT_", "FLAKESHIP_"])
@pytest.mark.parametrize("name", ["AUTO__LABELS", "AUTO_LABELS"])
def test_names_with_hyphens(prefix: str, name: str) -> None:
    assert settings(**{prefix + name: "false"}).auto_labels is False


@pytest.mark.parametrize("prefix", ["INPUT_", "FLAKESHIP_"])
def test_an_empty_variable_is_unset(prefix: str) -> None:
    names = ("PUSH", "FLAKE", "LABELS", "PASSWORD", "PASSWORD_FILE", "COMPRESSION_LEVEL", "NO_SUCH")
    assert given(**{prefix + name: "" for name in names}) == given()
    assert settings(INPUT_FLAKE="input", FLAKESHIP_FLAKE="").flake == ("input",)


@pytest.mark.parametrize(
    "item", [item for item in inputs() if "publish" in item.commands], ids=lambda item: item.name
)
def test_every_input_has_all_of_its_ways(item: Any, tmp_path: Path) -> None:
    text = {"flag": "true", "number": "1", "size": "1G", "choice": (item.choices or ("",))[0]}.get(
        item.kind, "some/value"
    )
    github = f"INPUT_{item.name.upper()}"
    by_variable = settings(**{item.variable: text})
    assert settings(**{github: text}) == by_variable
    assert getattr(by_variable, item.attribute) not in (None, "", ())
    if item.secret:
        (tmp_path / "secret").write_text(text)
        assert settings(f"--{item.name}-file", str(tmp_path / "secret")) == by_variable
        with pytest.raises(UsageError, match=r"there is no option|is an option of docker"):
            settings(f"--{item.name}={text}")
    else:
        assert settings(f"--{item.name}={text}") == by_variable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", ("a=1",)),
        ("a=1\nb=2,3\n\n# a comment\n  c = d=e  ", ("a=1", "b=2,3", "c = d=e")),
    ],
)
def test_lines(text: str, expected: tuple[str, ...]) -> None:
    flags = [f"--labels={line}" for line in text.split("\n") if line.strip()]
    for found in (settings(FLAKESHIP_LABELS=text), settings(*flags)):
        assert tuple(label.text for label in found.labels) == expected


def test_blanks_around_a_value_are_dropped_and_kept_where_they_count() -> None:
    found = settings(**{"INPUT_BAKE-TARGET": " app ", "INPUT_SEP-TAGS": " "})
    assert (found.bake_target, found.sep_tags) == ("app", " ")


def test_lists_take_commas_and_flags_may_come_again() -> None:
    expected = ("oci:a", "docker://h/n", "oci:b")
    assert settings(INPUT_TO="oci:a, docker://h/n\noci:b").to == expected
    assert settings("--to", "oci:a,docker://h/n", "--to", "oci:b").to == expected


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--push", "--push=false"], ["--push is given twice: 'false' counts, 'true' does not"]),
        (
            ["--created=a", "--created", "b", "--created=c"],
            [
                "--created is given twice: 'b' counts, 'a' does not",
                "--created is given twice: 'c' counts, 'b' does not",
            ],
        ),
        (["--push=false", "--push=false"], []),
        (["--tags=a", "--tags=b", "--env=A=1", "--env=B=1"], []),
    ],
)
def test_a_value_that_a_later_one_replaces_is_told(argv: list[str], told: list[str]) -> None:
    assert list(read(["publish", *argv], {}, None).notices) == told


def test_the_name_of_a_secret_file_is_not_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    files = [f"--password-file={tmp_path / name}" for name in ("one", "two")]
    found = read(["publish", *files], {}, None)
    assert found.settings.password == "two"
    assert found.notices == ("--password-file is given twice, and the last one counts",)


def test_two_dashes_are_a_value_behind_an_equals_sign() -> None:
    assert settings("--to=--", "--to=a").to == ("--", "a")
    assert settings("--source=--").source == "--"


def test_a_flag_without_a_value_is_true() -> None:
    assert settings("--dry-run").dry_run is True
    assert settings("--dry-run", "false").dry_run is False
    assert settings("--push").push == "true"
    assert settings("--push=false").push == "false"


def test_secrets(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    assert settings("--password-stdin", stdin=f"{CANARY}\nmore").password == CANARY
    assert settings("--password-file", str(tmp_path / "secret")).password == CANARY
    assert settings(FLAKESHIP_PASSWORD_FILE=str(tmp_path / "secret")).password == CANARY
    assert settings(FLAKESHIP_PASSWORD=f" {CANARY} ").password == f" {CANARY} "
    assert settings(INPUT_PASSWORD=f"{CANARY}\r\n").password == CANARY, "as `gh secret set <FILE` stores it"
    assert settings(INPUT_PASSWORD="\n") == settings()
    found = settings(FLAKESHIP_PASSWORD=CANARY, INPUT_CACHIX__AUTH__TOKEN=CANARY)
    assert CANARY not in repr(found)


def test_a_secret_of_the_first_place_wins_however_it_is_given(tmp_path: Path) -> None:
    for name in ("flag", "variable", "input"):
        (tmp_path / name).write_text(name)
    by_input = {"INPUT_PASSWORD_FILE": str(tmp_path / "input")}
    assert settings(**by_input).password == "input"
    assert settings(**by_input, FLAKESHIP_PASSWORD="variable").password == "variable"
    by_file = {"INPUT_PASSWORD": "input", "FLAKESHIP_PASSWORD_FILE": str(tmp_path / "variable")}
    assert settings(**by_file).password == "variable"
    assert settings(**dict(reversed(by_file.items()))).password == "variable"
    assert settings("--password-file", str(tmp_path / "flag"), **by_file).password == "flag"
    assert settings("--password-stdin", stdin="flag", FLAKESHIP_PASSWORD="variable").password == "flag"


def _undecodable() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8")


@pytest.mark.parametrize("stdin", [None, io.StringIO(), io.StringIO("\nlater"), _undecodable()])
def test_a_password_is_to_come_from_stdin_and_does_not(stdin: TextIO | None) -> None:
    with pytest.raises(UsageError, match="the first line of stdin is empty") as caught:
        read(["publish", "--password-stdin"], {"FLAKESHIP_PASSWORD": CANARY}, stdin)
    assert "FLAKESHIP_PASSWORD" in caught.value.hint
    assert CANARY not in caught.value.message


def test_a_secret_never_stands_in_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        settings(f"--password={CANARY}")
    assert CANARY not in f"{caught.value.message} {caught.value.hint} {caught.value.detail}"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("--help-all", "`flakeship publish --help-all`"), ("--tags", "`flakeship --help`")],
)
def test_an_option_in_the_place_of_a_command_is_told_where_it_goes(word: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"there is no option {word} before a command") as caught:
        read([word, "x"], {}, None)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("flags", "environ", "words", "hint"),
    [
        (["--tagz", "a"], {}, "no option --tagz; did you mean '--tags'?", "--help-all"),
        (["--dest-creds", "a:b"], {}, "--dest-creds is an option of skopeo", "FLAKESHIP_PASSWORD"),
        (["--label=a=b"], {}, "--label is an option of docker", "--labels KEY=VALUE"),
        (["-o", "out"], {}, "-o is an option of docker", "--to oci:DIR"),
        (["--option", "a", "b"], {}, "--option is an option of nix", "--nix-config"),
        (["--compresion=gzip"], {}, "did you mean '--compression'?", "--help"),
        (["--zzzzzz"], {}, "there is no option --zzzzzz", "--help"),
        (["--flake"], {}, "--flake needs a value", "`--flake VALUE`"),
        (["--push=maybe"], {}, "push is 'maybe'", "auto, true, false"),
        (["--compression=gzp"], {}, "compression is 'gzp'; did you mean 'gzip'?", "gzip, zstd, none"),
        (["--dry-run=perhaps"], {}, "dry-run is 'perhaps'", "true or false"),
        (
            ["--compression-level=-1"],
            {},
            "compression-level is '-1', which is not a number",
            "without a sign",
        ),
        (["--layer-cache-size=5000"], {}, "layer-cache-size is '5000', which has no unit", "5000M"),
        (["--layer-cache-size=-1G"], {}, "layer-cache-size is '-1G', which is not a size", "512M"),
        (["--layer-cache-size=5 apples"], {}, "which is not a size", "512M"),
        (["--layer-cache-size=\uff11G"], {}, "which is not a size", "512M"),
        (["--layer-cache-size=1e3M"], {}, "which is not a size", "512M"),
        ([], {"FLAKESHIP_LAYER_CACHE_SIZE": "1,5G"}, "which is not a size", "512M"),
        (["--layer-cache-size=" + "9" * 5000 + "G"], {}, "which is not a size", "512M"),
        (["--verify=rebuild"], {}, "there is no option --verify", "--help-all"),
        (["--platform=linux/arm64"], {}, "--platform is an option of docker", "--override-platform"),
        (["--override-arch=arm64"], {}, "--override-arch is an option of skopeo", "--platforms"),
        (["--compression-level=²"], {}, "which is not a number", "whole number"),
        (["--compression-level=" + "9" * 9], {}, "which is not a number", "whole number"),
        (
            ["--password-file=/nowhere/secret"],
            {},
            "--password-file names no file",
            "FLAKESHIP_PASSWORD or --password-stdin",
        ),
        (
            [],
            {"FLAKESHIP_TAG": "a"},
            "FLAKESHIP_TAG is set, but there is no input 'tag'; did you mean 'tags'?",
            "unset it",
        ),
        (["--to", 'a,"b'], {}, "to, line 1, column 3: ", ""),
        (["--labels", "a=\udcff", "--labels", "b=c"], {}, "labels holds bytes that are not UTF-8", "UTF-8"),
        ([], {"FLAKESHIP_SOURCE": "a\udcff"}, "source holds bytes that are not UTF-8", "UTF-8"),
    ],
)
def test_refused(flags: list[str], environ: dict[str, str], words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        given(*flags, **environ)
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("flags", "flake", "source", "tags"),
    [
        ([".#image"], (".#image",), "", []),
        (
            [".#image", "ghcr.io/me/app:1", "ghcr.io/me/app:2"],
            (".#image",),
            "",
            ["ghcr.io/me/app:1", "ghcr.io/me/app:2"],
        ),
        (["--dry-run", ".#image", "--push", "auto", "h/a:1"], (".#image",), "", ["h/a:1"]),
        ([".#image", "--lint", "off", "h/a:1", "-t", "h/a:2"], (".#image",), "", ["h/a:2", "h/a:1"]),
        (["--flake", ".#x", "h/a:1"], (".#x",), "", ["h/a:1"]),
        (["--source", "x.tar", "h/a:1"], (".",), "x.tar", ["h/a:1"]),
        (["docker://h/a:1", "h/b:1"], (".",), "docker://h/a:1", ["h/b:1"]),
        (["oci:folder", "h/b:1"], (".",), "oci:folder", ["h/b:1"]),
        (["--tag", "h/a:1"], (".",), "", ["h/a:1"]),
        (["-", "h/a:1"], (".",), "-", ["h/a:1"]),
        (["/dev/fd/63", "h/a:1"], (".",), "/dev/fd/63", ["h/a:1"]),
        (["docker-daemon:app:1", "docker://h/a:1"], (".",), "docker-daemon:app:1", ["docker://h/a:1"]),
        (["containers-storage:app", "h/a:1"], (".",), "containers-storage:app", ["h/a:1"]),
        (["dir:folder", "h/a:1"], (".",), "dir:folder", ["h/a:1"]),
    ],
)
def test_what_to_build_and_where_to_need_no_flag(
    flags: list[str], flake: tuple[str, ...], source: str, tags: list[str]
) -> None:
    found = settings(*flags)
    assert (found.flake, found.source, [tag.text for tag in found.tags]) == (flake, source, tags)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5G", 5 << 30),
        ("5g", 5 << 30),
        ("5GB", 5 << 30),
        ("5 GiB", 5 << 30),
        ("1.5M", 3 << 19),
        ("512k", 1 << 19),
        ("2T", 2 << 40),
        ("100B", 100),
        ("0", 0),
        ("0M", 0),
    ],
)
def test_a_size_is_read_as_nix_and_docker_read_it(text: str, size: int) -> None:
    assert settings(f"--layer-cache-size={text}").layer_cache_size == size
    assert parse_size("", spelled_size(size)) == size


def test_the_default_of_a_size_is_written_as_users_write_it() -> None:
    (item,) = (item for item in inputs() if item.name == "layer-cache-size")
    assert item.default == "5G"
    assert settings("--layer-cache-size", item.default) == Settings()


def test_layers_takes_a_word() -> None:
    def asked(*words: str) -> str:
        return read(["layers", *words], {}, None).settings.layers_action

    assert [asked(), asked("list"), asked("prune"), asked("prune", "--layer-cache-size", "0")] == [
        "list", "list", "prune", "prune",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="there is no option --prune; did you mean 'prune'"):
        asked("--prune")
    with pytest.raises(UsageError, match="`layers` knows no 'purge'") as caught:
        asked("purge")
    assert "list, prune" in caught.value.hint
    with pytest.raises(UsageError, match="there is nothing to do with all"):
        asked("prune", "all")


def test_a_flag_takes_no_word_that_is_none_of_its_values() -> None:
    found = settings("--dry-run", "false", "--debug", "--reuse", "off", "--push", "x#y")
    assert (found.dry_run, found.debug, found.push, found.flake) == (False, True, "true", ("x#y",))


@pytest.mark.parametrize(
    ("flag", "tool", "hint"),
    [
        ("--raw", "skopeo", "write --json"),
        ("--config", "skopeo", "write --json"),
        ("--format={{.Digest}}", "skopeo, docker and podman", "jq"),
        ("--creds=a:b", "skopeo and podman", "--password-stdin"),
        ("--tls-verify=false", "skopeo and podman", "--plain-http HOST"),
        ("--override-arch=arm64", "skopeo", "--platforms"),
    ],
)
def test_options_of_those_who_look_at_an_image_elsewhere(flag: str, tool: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"{flag.partition('=')[0]} is an option of {tool}") as caught:
        read(["inspect", flag, "ghcr.io/me/app:1"], {}, None)
    assert hint in caught.value.hint


def test_every_option_that_an_error_proposes_is_one_of_ours() -> None:
    names = {item.name for item in inputs()} - WITHOUT_FLAG
    known = {f"--{name}" for name in names} | {"--password-stdin", "--password-file"}
    for habit in (*habits._HABITS.values(), *habits._TO_INSPECT.values()):
        proposed = set(re.findall(r"--[a-z][a-z-]*", habit.hint))
        assert proposed <= known, habit
    for command, theirs in {"publish": habits._HABITS, "inspect": habits._TO_INSPECT}.items():
        ours = {f"--{item.name}" for item in inputs() if takes(command, item) and not item.secret} - {
            "--image"
        }
        assert not ours & {*theirs}, "ours would never be taken for theirs"
    for hint in habits._COMMANDS.values():
        assert {*re.findall(r"--[a-z][a-z-]*", hint)} <= known | {"--version"}, hint
        assert {*re.findall(r"flakeship ([a-z]+)", hint)} <= {*COMMANDS, "keeps", "reads"}, hint


@pytest.mark.parametrize(
    ("flag", "tool", "hint"),
    [
        ("--override-input", "nix", "flakeship publish ./result"),
        ("--show-trace", "nix", "nix build"),
        ("--system", "nix", ".#packages."),
        ("-v", "nix and docker", "--log-level debug"),
        ("-q", "docker and skopeo", "--log-level warn"),
        ("-e", "docker and podman", "--env KEY=VALUE"),
        ("--password", "docker", "--password-stdin"),
        ("--json", "nix", "--metadata-file"),
    ],
)
@pytest.mark.parametrize("command", ["publish", "doctor"])
def test_options_that_hands_write_by_themselves(command: str, flag: str, tool: str, hint: str) -> None:
    if (command, flag) == ("doctor", "--json"):
        return
    with pytest.raises(UsageError, match=f"{flag} is an option of {tool}") as caught:
        read([command, ".#image", flag], {}, None)
    assert hint in caught.value.hint


def test_the_name_alone_greets_with_two_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read([], {}, io.StringIO())
    assert ended.value.code == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) <= 8
    assert len([line for line in said if line.startswith("  flakeship publish ")]) == 2


def test_an_unknown_input_is_a_warning() -> None:
    invocation = given("--lint", "off", INPUT_TAG="a", INPUT_SOMETHING="", INPUT_FLAKE="x")
    assert invocation.warnings == ("there is no input 'tag'; did you mean 'tags'?",)
    assert invocation.settings.flake == ("x",)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FLAEK", "flake"),
        ("PSUH", "push"),
        ("TAG", "tags"),
        ("IMAGE", "images"),
        ("SORUCE", "source"),
        ("SSH_KEYS", "ssh-key"),
        ("SSHKEY", "ssh-key"),
        ("USER_NAME", "username"),
        ("PASSWROD", "password"),
        ("CREATE", "created"),
    ],
)
def test_a_misspelt_input_of_a_step_is_an_error(name: str, meant: str) -> None:
    """A step gives all by its inputs: `flaek: .#image` would build and push another package, `psuh: false` would push."""
    with pytest.raises(UsageError, match="there is no input") as caught:
        read(["publish"], {f"INPUT_{name}": "x"}, None)
    assert f"write `{meant}`" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN",
        "WORKING-DIRECTORY",
        "SCRIPT",
        "FETCH-DEPTH",
        "REPOSITORY",
        "REF",
        "PATH",
        "LOG",
        "COMMAND",
        "RUN",
        "KEY",
        "CACHE",
        "VERSION",
    ],
)
def test_what_is_not_nearly_an_input_is_a_warning_in_a_step_too(name: str) -> None:
    assert len(read(["publish"], {f"INPUT_{name}": "x"}, None).warnings) == 1


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("publsh", "there is no command 'publsh'; did you mean 'publish'?", "--help"),
        ("nonsense", "there is no command 'nonsense'", "run `flakeship --help` to list the commands"),
        (".#image", "there is no command '.#image'", "flakeship publish .#image"),
        ("push", "there is no command 'push'", "`flakeship publish INSTALLABLE REFERENCE`"),
        ("build", "there is no command 'build'", "`--to oci:DIR`"),
        ("digest", "there is no command 'digest'", "`flakeship inspect IMAGE --json`"),
        ("ls", "there is no command 'ls'", "`skopeo list-tags`"),
        ("load", "there is no command 'load'", "--to docker-daemon:NAME:TAG"),
        ("login", "there is no command 'login'", "flakeship reads what they write"),
        ("copy", "there is no command 'copy'", "publish docker://FROM TO"),
        ("tag", "there is no command 'tag'", "publish docker://FROM TO"),
        ("version", "there is no command 'version'", "`flakeship --version`"),
        ("run", "there is no command 'run'", "docker run"),
        ("help me", "there is no command 'help me'", "--help"),
    ],
)
def test_no_such_command(word: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read([word], {}, io.StringIO())
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_reference_in_the_place_of_a_command_is_not_called_something_to_build() -> None:
    with pytest.raises(UsageError) as caught:
        read(["h/a:1"], {}, io.StringIO())
    assert caught.value.hint == "run `flakeship publish . h/a:1` to build the flake here and push it there"


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["help"], "usage: flakeship "),
        (["help", "publish"], "usage: flakeship publish"),
        (["help", "inspect"], "usage: flakeship inspect"),
        (["help", "layers", "prune"], "usage: flakeship layers"),
    ],
)
def test_help_is_a_command_too(words: list[str], usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(words, {}, io.StringIO())
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(usage)


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ([".#image", ""], "REFERENCE"),
        ([".#image", "h/a:1", " "], "REFERENCE"),
        (["", "h/a:1"], "INSTALLABLE"),
        (["--flake", ".#image", ""], "REFERENCE"),
        ([".#image", "--tags", ""], "--tags"),
        ([".#image", "--tags=h/a:1", "-t", ""], "--tags"),
        ([".#image", "--to="], "--to"),
        ([".#image", "--platforms", ","], "--platforms"),
        ([".#image", "--plain-http", " , "], "--plain-http"),
        (["--source", "", "h/a:1"], "--source"),
        ([".#image", "--username", ""], "--username"),
        ([".#image", "--password-file", ""], "--password-file"),
        ([".#image", "--compression-level", ""], "--compression-level"),
    ],
)
def test_an_empty_word_is_a_variable_that_is_not_set(flags: list[str], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(*flags)
    assert caught.value.message == f"{what} is empty (an unset variable?)"


def test_an_empty_image_to_look_at_is_a_variable_that_is_not_set() -> None:
    with pytest.raises(UsageError, match="IMAGE is empty"):
        read(["inspect", ""], {}, None)


def test_a_text_whose_blanks_count_may_be_empty() -> None:
    assert read(["metadata", "--sep-tags", ""], {}, None).settings.sep_tags == ""


def test_every_option_without_its_value_names_its_values() -> None:
    for item in inputs():
        if "publish" not in item.commands or item.kind == "flag" or item.name == "push":
            continue
        flag = f"--{item.name}-file" if item.secret else f"--{item.name}"
        with pytest.raises(UsageError) as caught:
            settings(".#image", flag)
        assert caught.value.message == f"{flag} needs a value"
        assert all(choice in caught.value.hint for choice in item.choices)
    with pytest.raises(UsageError, match="--tags needs a value"):
        settings(".#image", "-t")


def test_a_value_that_begins_with_a_dash_is_no_option() -> None:
    with pytest.raises(UsageError) as caught:
        settings(".#image", "--env", "-HOME")
    assert "`--env=-…`" in caught.value.hint
    assert settings(".#image", "--env=-HOME").env == ("-HOME",)


@pytest.mark.parametrize("folder", ["here", "elsewhere"])
@pytest.mark.parametrize("kind", ["file", "link", "folder", "flake"])
def test_a_file_is_a_source_and_a_folder_is_a_flake(
    kind: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "result" if folder == "here" else f"{tmp_path}/result"
    place = tmp_path / "result"
    match kind:
        case "file":
            place.touch()
        case "link":
            (tmp_path / "behind").touch()
            place.symlink_to("behind")
        case _:
            place.mkdir()
            if kind == "flake":
                (place / "flake.nix").touch()
    found = given(name, "h/a:1")
    is_source = kind in {"file", "link"}
    assert (found.settings.source, found.settings.flake) == ((name, (".",)) if is_source else ("", (name,)))
    assert found.notices == (
        (f"{name} is a file, so it is taken as `source`, and nothing is built",) * is_source
    )


def test_what_a_link_leads_to_in_the_store_is_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = f"/nix/store/{'0' * 32}-image.tar.gz"
    (tmp_path / "result").symlink_to(path)
    for name in ("result", "./result", path):
        assert settings(name, "h/a:1").source == name


@pytest.mark.parametrize("flag", ["-v", "-q", "-e"])
def test_short_options_of_others_before_a_command(flag: str) -> None:
    with pytest.raises(UsageError) as caught:
        read([flag], {}, None)
    assert "`flakeship --version`" in caught.value.hint or "`flakeship --help`" in caught.value.hint


@pytest.mark.parametrize(
    ("flags", "words", "hint"),
    [
        (["ghcr.io/me/app:1"], "'ghcr.io/me/app:1' is a place to push to", "publish . ghcr.io/me/app:1"),
        (["localhost:5000/app:1"], "is a place to push to", "docker://localhost:5000/app:1"),
        (
            ["h.io/app:1", ".#a"],
            "'.#a' behind it says what",
            "write them the other way round: `flakeship publish .#a h.io/app:1`",
        ),
        (["h.io/a:1", "./x", "h.io/b:1"], "says what", "`flakeship publish ./x h.io/a:1 h.io/b:1`"),
        (["--labels", "a=b", ".#a", "h/a:1", "c=d"], "'c=d' is no reference", "`--labels a=b --labels c=d`"),
        ([".#a", ".#b", "h/a:1"], "'.#b' says what to publish, and that is said already", "NAME=INSTALLABLE"),
        (["--source", "x.tar", ".", "h/a:1"], "'.' says what to publish", "references"),
        (["-", "--flake", ".#a"], "'-' says what to publish", "references"),
        (["docker-archive:x.tar", "oci:dir:1"], "'oci:dir:1' is no reference to push to", "`--to oci:dir:1`"),
        ([".#a", "docker-daemon:app:1"], "no reference to push to", "`--to docker-daemon:app:1`"),
        ([".#a", "h/a:1", "--file", "x.nix"], "'.#a' says what to publish", "references"),
        (
            ["-", "--password-stdin"],
            "--password-stdin and source '-' would both read stdin",
            "a file or a variable",
        ),
        (
            ["docker-archive:/dev/stdin", "--password-stdin"],
            "--password-stdin and source 'docker-archive:/dev/stdin' would",
            "a file",
        ),
    ],
)
def test_words_in_a_place_where_they_mean_nothing(flags: list[str], words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(*flags, stdin="secret")
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "installable", ["github:123/app", "my.folder/app", "nixpkgs/nixos-25.05", "./a.b/c:1", "/a/b:1"]
)
def test_an_installable_is_no_reference(installable: str) -> None:
    assert settings(installable).flake == (installable,)


@pytest.mark.parametrize("written", ["-", "/dev/stdin", "oci-archive:-", "docker-archive:/dev/fd/0:app:1"])
@pytest.mark.parametrize("variable", ["INPUT_SOURCE", "FLAKESHIP_SOURCE"])
def test_no_input_of_ci_comes_through_a_pipe(written: str, variable: str) -> None:
    with pytest.raises(
        UsageError, match="by a variable or an input of CI, where no image is piped"
    ) as caught:
        settings(**{variable: written})
    assert "flakeship publish -" in caught.value.hint
    assert settings("--source", written, **{variable: "x"}).source == written


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is not text"):
        settings("--password-file", str(tmp_path / "secret"))


def test_a_secret_file_without_an_end() -> None:
    with pytest.raises(
        UsageError, match="the file that --password-file names: it has more than 1048576 bytes"
    ):
        settings("--password-file", "/dev/zero")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_what_argparse_ends_by_itself(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read([flag], {}, io.StringIO())
    assert caught.value.code == 0
    assert "flakeship" in capsys.readouterr().out


def test_a_secret_at_a_terminal_is_asked_for_without_an_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("getpass.getpass", lambda prompt: CANARY + prompt)
    found = read(["publish", "--password-stdin"], {}, Terminal("echoed"))
    assert found.settings.password == f"{CANARY}password: "
    monkeypatch.setattr("getpass.getpass", lambda _: "")
    with pytest.raises(UsageError, match="is empty"):
        read(["publish", "--password-stdin"], {}, Terminal())


def test_an_input_of_another_command_is_named_as_one_that_this_one_has_not() -> None:
    """`image` is what `inspect` takes; an action that publishes has `images`."""
    told = given(".#image", INPUT_IMAGE="ghcr.io/o/n")
    assert told.warnings == ("there is no input 'image'; did you mean 'images'?",)
    assert read(["inspect"], {"INPUT_IMAGE": "ghcr.io/o/n:1"}, None).warnings == ()
    assert read(["publish"], {"FLAKESHIP_IMAGE": "ghcr.io/o/n:1"}, None).warnings == (), (
        "set for several commands"
    )
