"""What a run says to GitLab, read by GitLab's own rules: sections of the log, variables, metrics."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship import events
from flakeship.ci import gitlab
from flakeship.ci.gitlab import outputs as gitlab_outputs
from flakeship.ci.gitlab.log import SectionLog
from flakeship.ci.handover import Handover, SentBlob, ShippedImage, ShippedTo
from flakeship.ci.platforms import current_platform
from flakeship.errors import BuildError, ResourceError
from flakeship.report.plain import LOG_LEVELS

MARK = re.compile(r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[[^\]]*\])?\r\x1b\[0K")
"""As GitLab's reader of logs looks for it, anywhere in a line."""

DIGEST = "sha256:" + "a" * 64
CONFIG = "sha256:" + "c" * 64


def logged(*happened: events.Event, level: str = "info", secrets: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    with gitlab.open_log(out, level, {}, secrets=secrets) as emit:
        for event in happened:
            emit(event)
    return out.getvalue()


def marks(log: str) -> list[tuple[str, str]]:
    return [(hit[1], hit[3]) for hit in MARK.finditer(log)]


def destination(name: str, *, sent: bool = True, reused: bool = False) -> ShippedTo:
    return ShippedTo(f"{name}@{DIGEST}", sent, tuple(SentBlob(size, not reused) for size in (100, 20, 3)))


def image(*destinations: ShippedTo, name: str = "") -> ShippedImage:
    return ShippedImage(name, DIGEST, CONFIG, 1, destinations, all(to.sent for to in destinations))


def handover(*images: ShippedImage) -> Handover:
    return Handover(images, pushed=True, outputs={})


REFERENCE = re.compile(r"\$\$|\$\w+|\$\{\w+\}|%\w+%")


def read_back(text: str) -> dict[str, str]:
    """As GitLab reads a dotenv report: an empty line, or one without `=`, fails the job; references are expanded."""
    assert text.endswith("\n")
    found = {}
    for line in text.removesuffix("\n").split("\n"):
        key, equals, value = line.partition("=")
        assert equals
        found[key.strip()] = REFERENCE.sub("", value.strip())
    return found


def test_stages_are_sections_and_that_of_the_build_is_folded() -> None:
    log = logged(
        events.StageStarted("build", "building .#image"),
        events.BuildLog("hello> compiling"),
        events.StageFinished("build", 1.0),
        events.StageStarted("publish", "publishing"),
        events.StageFinished("publish", 1.0),
        events.Summarised("image  x"),
    )
    assert marks(log) == [
        ("start", "flakeship_build"), ("end", "flakeship_build"),
        ("start", "flakeship_publish"), ("end", "flakeship_publish"),
    ]  # fmt: skip
    options = {hit[3]: hit[4] for hit in MARK.finditer(log) if hit[1] == "start"}
    assert options == {"flakeship_build": "[collapsed=true]", "flakeship_publish": None}
    assert "\x1b[0Kbuilding .#image\n    hello> compiling\n" in log
    assert log.endswith("\x1b[0K\n\nimage  x\n\n")


def test_a_section_says_when_it_began_and_ended() -> None:
    out = io.StringIO()
    report = SectionLog(out, LOG_LEVELS["info"], iter([1000.9, 1012.1]).__next__)
    report(events.StageStarted("build", "b"))
    report(events.StageFinished("build", 11.2))
    assert [hit[2] for hit in MARK.finditer(out.getvalue())] == ["1000", "1012"]


def test_a_section_is_closed_before_the_next_and_when_a_run_fails() -> None:
    log = logged(events.StageStarted("a", "a"), events.StageStarted("b", "b"))
    assert [edge for edge, _ in marks(log)] == ["start", "end", "start", "end"]
    assert not logged(events.StageStarted("a", "a"), events.StageFinished("a", 1), level="warn")


@given(st.text() | st.just("\x1b[0Ksection_end:1:flakeship_build\r\x1b[0K"))
def test_text_of_others_is_no_section(text: str) -> None:
    log = logged(
        events.BuildLog(text),
        events.StageStarted("x", text),
        events.Notice(text),
        events.Warned(text, text),
        events.Command(("nix", text)),
        level="debug",
    )
    assert marks(log) == [("start", "flakeship_x"), ("end", "flakeship_x")]


def test_what_was_not_done_stands_out_like_a_warning() -> None:
    log = logged(events.NotPushed("NOT PUSHED: a fork", expected=True), events.Notice("beside"))
    assert log.startswith("\x1b[33m")
    assert "NOT PUSHED: a fork\x1b[0m\n" in log
    assert log.endswith("note: beside\n")


def test_debugging_of_the_runner_is_ours_too() -> None:
    out = io.StringIO()
    with gitlab.open_log(out, "warn", {"CI_DEBUG_TRACE": "true"}, secrets=()) as emit:
        emit(events.Detail("deep down"))
    assert "deep down" in out.getvalue()


def test_a_failure_is_red_and_says_what_to_do() -> None:
    out = io.StringIO()
    gitlab.report_failure(BuildError("no", hint="try", detail="a\x1b[2Jb"), out, cwd=Path())
    assert out.getvalue() == "\x1b[31;1merror: no\n    ab\n  -> try\x1b[0m\n"


def test_gitlab_is_reported_to_in_its_way() -> None:
    assert current_platform({"GITLAB_CI": "true"}) is gitlab


def test_a_later_job_reads_few_variables(tmp_path: Path) -> None:
    made = handover(image(destination("ghcr.io/o/n"), destination("oci:./x")))
    gitlab.hand_over(made, {"SHIPPED_FOLDER": str(tmp_path / "a" / "b")})
    assert read_back((tmp_path / "a" / "b" / "shipped.env").read_text()) == {
        "SHIPPED_DIGEST": DIGEST,
        "SHIPPED_REF": f"ghcr.io/o/n@{DIGEST}",
        "SHIPPED_IMAGEID": CONFIG,
        "SHIPPED_PUSHED": "true",
    }


def test_the_reference_is_one_that_holds_the_image(tmp_path: Path) -> None:
    made = handover(image(destination("ghcr.io/o/n", sent=False), destination("quay.io/o/n")))
    gitlab.hand_over(made, {"SHIPPED_FOLDER": str(tmp_path)})
    assert read_back((tmp_path / "shipped.env").read_text())["SHIPPED_REF"] == f"quay.io/o/n@{DIGEST}"


def test_no_variable_names_an_image_that_is_nowhere(tmp_path: Path) -> None:
    """A digest that leads nowhere would be deployed all the same."""
    nowhere = image(destination("ghcr.io/o/n", sent=False), name="a")
    gitlab.hand_over(Handover((nowhere,), False, {}), {"SHIPPED_FOLDER": str(tmp_path)})
    assert read_back((tmp_path / "shipped.env").read_text()) == {
        "SHIPPED_DIGEST": "",
        "SHIPPED_REF": "",
        "SHIPPED_IMAGEID": "",
        "SHIPPED_PUSHED": "false",
    }
    assert 'flakeship_pushed{image="a"} 0\n' in (tmp_path / "metrics.txt").read_text()
    gitlab.hand_over(
        handover(nowhere, image(destination("r/b"), name="b")), {"SHIPPED_FOLDER": str(tmp_path)}
    )
    assert read_back((tmp_path / "shipped.env").read_text())["SHIPPED_REF"] == f"r/b@{DIGEST}"


def test_of_several_images_all_are_named(tmp_path: Path) -> None:
    made = handover(image(destination("r/app"), name="app"), image(destination("r/db"), name="db"))
    environ = {"SHIPPED_FOLDER": str(tmp_path), "CI_JOB_NAME": 'a "job"\\'}
    gitlab.hand_over(made, environ)
    found = read_back((tmp_path / "shipped.env").read_text())
    assert found["SHIPPED_REF"].split() == [f"r/app@{DIGEST}", f"r/db@{DIGEST}"]
    assert found["SHIPPED_IMAGEID"].split() == [CONFIG, CONFIG]
    first, *rest = (tmp_path / "metrics.txt").read_text().splitlines()
    assert first == r'flakeship_image_bytes{job="a \"job\"\\",image="app"} 123'
    assert len(rest) == 7


def test_metrics_count_layers_once_and_sent_bytes_for_each_place(tmp_path: Path) -> None:
    places = (destination("r/a"), destination("r/b"), destination("r/c", reused=True))
    gitlab.hand_over(handover(image(*places)), {"SHIPPED_FOLDER": "report", "CI_PROJECT_DIR": str(tmp_path)})
    assert (tmp_path / "report" / "metrics.txt").read_text() == (
        "flakeship_image_bytes 123\nflakeship_image_layers 2\nflakeship_sent_bytes 246\nflakeship_pushed 1\n"
    )


@given(st.text(max_size=30), st.text(max_size=30))
def test_metrics_are_numbers_whatever_the_names(job: str, name: str) -> None:
    """As GitLab reads a metrics report: comments are cut off, then words are split as by a shell."""
    shipped = [image(destination("r/a"), name=each) for each in ("", name)]
    text = gitlab_outputs.metrics(shipped, job=job)
    words = [shlex.split(re.sub("#.*", "", line)) for line in text.split("\n") if line.strip()]
    assert [value for _, value in words] == ["123", "2", "123", "1"] * 2
    assert len({word for word, _ in words}) == (8 if name else 4)


KEYS = st.sampled_from(["SHIPPED_REF", "SHIPPED_DIGEST"])


ODD = st.lists(st.sampled_from(["$", "%", "{", "}", "HOME", "=", "\n", "#", '"', " "])).map("".join)


@given(st.dictionaries(KEYS, st.text(max_size=200) | ODD, min_size=1))
def test_variables_read_back_as_they_were_meant_or_are_refused(values: dict[str, str]) -> None:
    odd = (
        set(value) & set("\r\n\0$") or value != REFERENCE.sub("", value.strip()) for value in values.values()
    )
    if any(odd):
        with pytest.raises(ResourceError):
            gitlab_outputs.dotenv(values)
    else:
        assert read_back(gitlab_outputs.dotenv(values)) == values


@pytest.mark.parametrize(
    "value", ["a\nSHIPPED_DIGEST=evil", "a\rb", "a\0b", " a", "a\t", "oci:$CI_JOB_TOKEN", "%CI_JOB_TOKEN%"]
)
def test_a_value_that_would_read_as_something_else_is_refused(value: str) -> None:
    with pytest.raises(ResourceError, match=r"SHIPPED_REF is .* can't hand to another job") as caught:
        gitlab_outputs.dotenv({"SHIPPED_REF": value})
    assert "line breaks" in caught.value.hint


def test_more_than_gitlab_takes_is_refused() -> None:
    """A report must be smaller than the limit."""
    gitlab_outputs.dotenv({"X": "a" * 5116})
    with pytest.raises(ResourceError, match="5120 bytes") as caught:
        gitlab_outputs.dotenv({"X": "a" * 5117})
    assert "fewer images" in caught.value.hint


def test_the_summary_is_a_file(tmp_path: Path) -> None:
    environ = {"SHIPPED_FOLDER": str(tmp_path)}
    gitlab.summarise("# one\n", environ)
    gitlab.summarise("# two ✓\n", environ)
    assert (tmp_path / "summary.md").read_text() == "# one\n\n\n# two ✓\n"


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gitlab.hand_over(handover(image(destination("r/a"))), {"CI_PROJECT_DIR": str(tmp_path)})
    gitlab.summarise("# x\n", {"SHIPPED_FOLDER": ""})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=r"cannot write .*file.*summary\.md") as caught:
        gitlab.summarise("x", {"SHIPPED_FOLDER": str(tmp_path / "file" / "in")})
    assert "SHIPPED_FOLDER" in caught.value.hint
