"""What a run says to GitHub's runner, read by the runner's own rules."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship import events
from flakeship.ci import github, local
from flakeship.ci.github.log import CommandLog
from flakeship.ci.github.outputs import PAGE_LIMIT, entry
from flakeship.ci.handover import Handover
from flakeship.errors import BuildError, ResourceError, UsageError
from flakeship.printable import printable_lines
from tests.testbed.github_runner import Command, Runner, outputs

STORE = "/nix/store/00000000000000000000000000000000-source"


def logged(
    *happened: events.Event,
    level: str = "info",
    secrets: tuple[str, ...] = (),
    environ: Mapping[str, str] = {},
) -> Runner:
    out = io.StringIO()
    with github.open_log(out, level, environ, secrets=secrets) as emit:
        for event in happened:
            emit(event)
    return Runner().read(out.getvalue())


def handover(outputs: Mapping[str, str]) -> Handover:
    return Handover((), pushed=True, outputs=outputs)


def failure(error: UsageError | BuildError, cwd: Path) -> Runner:
    out = io.StringIO()
    github.report_failure(error, out, cwd=cwd, environ={})
    return Runner().read(out.getvalue())


def test_stages_are_groups() -> None:
    run = logged(
        events.StageStarted("build", "building .#image"),
        events.BuildLog("hello> compiling"),
        events.StageFinished("build", 1.0),
        events.StageStarted("publish", "publishing"),
        events.LayerDelivered("sha256:" + "a" * 64, 1500, ("uploaded",), ("ghcr.io/o/n",)),
    )
    assert run.obeyed == [
        Command("group", "building .#image"), Command("endgroup", ""), Command("group", "publishing"), Command("endgroup", ""),
    ]  # fmt: skip
    assert run.shown[:2] == ["    hello> compiling", "    aaaaaaaaaaaa     1.5 kB  uploaded  ghcr.io/o/n"]
    assert not run.stopped


def test_a_group_is_closed_before_the_next_and_there_is_none_where_little_is_said() -> None:
    run = logged(events.StageStarted("a", "a"), events.StageStarted("b", "b"))
    assert [command.name for command in run.obeyed] == ["group", "endgroup", "group", "endgroup"]
    assert not logged(events.StageStarted("a", "a"), events.StageFinished("a", 1), level="warn").obeyed


def test_a_warning_is_an_annotation() -> None:
    run = logged(events.Warned("100 % full:\nreally", "free, some"))
    assert run.obeyed == [Command("warning", "100 % full:\nreally\nfree, some", {"title": "flakeship"})]
    assert not logged(events.Warned("x"), level="error").obeyed


def test_what_was_left_undone_is_an_annotation_and_other_notices_are_text() -> None:
    run = logged(events.NotPushed("NOT PUSHED:\nx", expected=True), events.Notice("sandbox: on"))
    assert run.obeyed == [Command("notice", "NOT PUSHED:\nx", {"title": "flakeship"})]
    assert "note: sandbox: on" in run.shown


HOSTILE = [
    "::set-output name=digest::evil", "   ::add-mask::a", "\t::error::x", "\u00a0::endgroup::", "::stop-commands::x",
    "x ##[set-env name=PATH;]evil", "##[endgroup]", "::warning file=a,line=1::x", "a\r::debug::x", "\x1b[0m::debug::x",
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE)
def test_a_builder_commands_nothing(line: str) -> None:
    run = logged(events.BuildLog(line), events.BuildLog("more"), events.Warned("ours"), events.BuildLog(line))
    assert run.obeyed == [Command("warning", "ours", {"title": "flakeship"})]
    assert len([shown for shown in run.shown if shown]) == 3


@pytest.mark.parametrize("line", HOSTILE)
def test_nor_does_anything_else_that_is_said(line: str) -> None:
    told: list[events.Event] = [
        events.Notice(f"x\n{line}"),
        events.Summarised(f"image\n{line}\nend"),
        events.Command((f"\n{line}",)),
    ]
    run = logged(*told, events.Detail(line), events.Retry(line, line, 1, 0.1), level="debug")
    assert not run.obeyed


@pytest.mark.parametrize("line", HOSTILE)
def test_nor_does_what_is_printed_on_stdout(line: str) -> None:
    for text in (line, f"Labels\n  a={line}\n{line}\nend"):
        run = Runner().read(github.safe_on_stdout(text))
        assert (run.obeyed, run.stopped) == ([], "")
    document = github.safe_on_stdout(json.dumps({"a": line}, indent=2, ensure_ascii=False))
    assert not Runner().read(document).obeyed
    assert json.loads(document) == {"a": line}


def test_what_is_harmless_stops_nothing() -> None:
    reference = "[::1]:5000/a@sha256:0"
    assert github.safe_on_stdout(reference) == reference
    out = io.StringIO()
    with github.open_log(out, "info", {}, secrets=()) as emit:
        emit(events.Notice("sandbox: on"))
    assert out.getvalue() == "note: sandbox: on\n"


@given(st.lists(st.text(st.sampled_from("::##[]set-outpuadmskrg \n\r\t=%ü"), max_size=40), max_size=6))
def test_no_text_commands_anything(texts: list[str]) -> None:
    kinds: tuple[Callable[[str], events.Event], ...] = (
        events.BuildLog,
        events.Notice,
        events.Summarised,
        events.Warned,
    )
    run = logged(*(kind(text) for text in texts for kind in kinds))
    assert {command.name for command in run.obeyed} <= {"warning"}
    assert len(run.obeyed) == len(texts)
    assert not run.stopped


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_message_arrives_as_it_was_meant(message: str, hint: str) -> None:
    clean = printable_lines(f"{message}\n{hint}".strip())
    assert logged(events.Warned(message, hint)).obeyed[0].data == clean


def test_secrets_are_masked_before_all_else_whole_and_by_line() -> None:
    run = logged(events.Notice("x"), events.Secret("later"), secrets=("hunter%2", "begin\n{\n  key-line\n"))
    assert [command.data for command in run.obeyed] == [
        "hunter%2",
        "begin\n{\n  key-line\n",
        "begin",
        "  key-line",
        "later",
    ]
    assert {command.name for command in run.obeyed} == {"add-mask"}
    assert not logged(secrets=("", " \n ")).obeyed


@given(st.text(min_size=1).filter(str.strip))
def test_a_mask_is_the_secret_as_it_is(secret: str) -> None:
    assert logged(secrets=(secret,)).named("add-mask")[0].data == secret


@given(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=30))
def test_the_place_of_an_error_is_a_file_of_any_name(name: str) -> None:
    out = io.StringIO()
    error = BuildError("x")
    CommandLog(out, 3).fail(error, {"file": name, "line": "7"})
    (command,) = Runner().read(out.getvalue()).named("error")
    assert command.properties == {"title": "flakeship", "file": name, "line": "7"}


def test_debug_logging_of_the_run_says_all() -> None:
    assert "    fine" in logged(events.Detail("fine"), environ={"RUNNER_DEBUG": "1"}).shown
    assert "    fine" not in logged(events.Detail("fine")).shown


def test_lines_of_many_threads_stay_whole() -> None:
    out = io.StringIO()
    with github.open_log(out, "info", {}, secrets=()) as emit:
        threads = [
            threading.Thread(
                target=lambda: [emit(event) for event in (events.BuildLog("::debug::x"), events.Warned("w"))]
            )
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(Runner().read(out.getvalue()).named("warning")) == 20


def test_a_failure_is_an_annotation_below_its_detail(tmp_path: Path) -> None:
    error = BuildError("nix build failed", hint="look: here", detail="one\x1b[2J\n::set-output name=x::y\n")
    run = failure(error, tmp_path)
    assert run.obeyed == [Command("error", "nix build failed\nlook: here", {"title": "flakeship"})]
    assert run.shown[:2] == ["    one", "    ::set-output name=x::y"]


@pytest.mark.parametrize(
    ("detail", "place"),
    [
        (f"error: x\n at {STORE}/flake.nix:12:3:\n", {"file": "flake.nix", "line": "12", "col": "3"}),
        ("at «git+file:///w?ref=main»/nix/a.nix:7:1", {"file": "nix/a.nix", "line": "7", "col": "1"}),
        ("at {cwd}/flake.nix:3", {"file": "flake.nix", "line": "3"}),
        (
            f"at {STORE}/lib/deep.nix:1:1:\nat {STORE}/nix/a.nix:2:2:",
            {"file": "nix/a.nix", "line": "2", "col": "2"},
        ),
        ("at /etc/passwd:1:1", {}),
        (f"at {STORE}/../../etc/passwd:1:1", {}),
        ("at «string»:1:1", {}),
        ("at noon:1:1", {}),
    ],
)
def test_an_error_of_the_flake_is_shown_at_its_line(
    tmp_path: Path, detail: str, place: dict[str, str]
) -> None:
    (tmp_path / "nix").mkdir()
    for name in ("flake.nix", "nix/a.nix"):
        (tmp_path / name).touch()
    run = failure(BuildError("evaluation failed", detail=detail.replace("{cwd}", str(tmp_path))), tmp_path)
    assert run.obeyed[0].properties == {"title": "flakeship"} | place


@given(st.dictionaries(st.sampled_from(["digest", "tags", "labels"]), st.text(max_size=60)))
def test_outputs_are_read_back_as_they_were_meant(values: dict[str, str]) -> None:
    text = "".join(entry(key, value) for key, value in values.items())
    assert outputs(text) == {key: value.removesuffix("\r") for key, value in values.items()}


def test_a_value_that_holds_the_delimiter_is_refused() -> None:
    with pytest.raises(ResourceError, match="the output tags holds the random delimiter") as caught:
        entry("tags", "a\nEOF\nevil=1", "EOF")
    assert "again" in caught.value.hint


def test_outputs_and_summary_are_appended(tmp_path: Path) -> None:
    environ = {"GITHUB_OUTPUT": str(tmp_path / "o"), "GITHUB_STEP_SUMMARY": str(tmp_path / "s")}
    (tmp_path / "o").write_text("before=1\n")
    github.hand_over(handover({"digest": "a", "tags": "b\nc\udcff"}), environ)
    github.summarise("# page\n", environ)
    github.summarise("more\n", environ)
    assert outputs((tmp_path / "o").read_text()) == {"before": "1", "digest": "a", "tags": "b\nc\\udcff"}
    assert (tmp_path / "s").read_text() == "# page\n\n\nmore\n"


def test_a_page_has_room_for_what_fits_and_a_line_about_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page"
    environ = {"GITHUB_STEP_SUMMARY": str(page)}
    large = "ü" * (PAGE_LIMIT // 4 - 40)
    for number in range(3):
        github.summarise(f"### {number}\n\n{large}\n\n<details>\n\nx\n\n</details>\n\n", environ)
    text = page.read_text()
    assert len(text.encode()) <= PAGE_LIMIT
    assert text.count(large) == text.count("<details>") == 2
    assert text.endswith("\n\n### 2\n\nThe rest is left out: it is too long.\n\n")
    page.write_text("x" * PAGE_LIMIT)
    github.summarise("y", environ)
    assert page.stat().st_size == PAGE_LIMIT


@pytest.mark.parametrize("variable", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_a_file_that_is_missing_or_can_not_be_written(tmp_path: Path, variable: str) -> None:
    def write(to: Mapping[str, str]) -> None:
        if variable == "GITHUB_OUTPUT":
            github.hand_over(handover({"a": "b"}), to)
        else:
            github.summarise("x", to)

    write({})
    with pytest.raises(ResourceError, match=f"can't write {variable}") as caught:
        write({variable: str(tmp_path / "no" / "file")})
    assert "the image is at its destinations" in caught.value.message
    assert "runner makes this file" in caught.value.hint


def test_on_a_laptop_the_log_says_all(tmp_path: Path) -> None:
    out = io.StringIO()
    local.report_failure(
        UsageError("bad\x1b[2J tag", hint="mend\nit", detail="a\x07\nb"), out, cwd=tmp_path, environ={}
    )
    assert out.getvalue() == "error: bad tag\n    a\n    b\n  -> mend\n  it\n"
    local.hand_over(handover({"a": "b"}), {"GITHUB_OUTPUT": str(tmp_path / "o")})
    local.summarise("x", {"GITHUB_STEP_SUMMARY": str(tmp_path / "s")})
    assert not list(tmp_path.iterdir())
