"""The files in SHIPPED_FOLDER, read by GitLab's own rules: variables, metrics, a summary."""

from __future__ import annotations

import os
import pwd
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship import cli
from flakeship.ci import platforms, shipped_folder
from flakeship.ci.handover import Handover, SentBlob, ShippedImage, ShippedTo
from flakeship.errors import ResourceError, UsageError

DIGEST = "sha256:" + "a" * 64
CONFIG = "sha256:" + "c" * 64


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


def test_a_later_job_reads_few_variables(tmp_path: Path) -> None:
    made = handover(image(destination("ghcr.io/o/n"), destination("oci:./x")))
    platforms.hand_over(made, {"SHIPPED_FOLDER": str(tmp_path / "a" / "b")})
    assert read_back((tmp_path / "a" / "b" / "shipped.env").read_text()) == {
        "SHIPPED_DIGEST": DIGEST,
        "SHIPPED_REF": f"ghcr.io/o/n@{DIGEST}",
        "SHIPPED_IMAGEID": CONFIG,
        "SHIPPED_PUSHED": "true",
    }


def test_the_reference_is_one_that_holds_the_image(tmp_path: Path) -> None:
    made = handover(image(destination("ghcr.io/o/n", sent=False), destination("quay.io/o/n")))
    platforms.hand_over(made, {"SHIPPED_FOLDER": str(tmp_path)})
    assert read_back((tmp_path / "shipped.env").read_text())["SHIPPED_REF"] == f"quay.io/o/n@{DIGEST}"


def test_no_variable_names_an_image_that_is_nowhere(tmp_path: Path) -> None:
    """A digest that leads nowhere would be deployed all the same."""
    nowhere = image(destination("ghcr.io/o/n", sent=False), name="a")
    platforms.hand_over(Handover((nowhere,), False, {}), {"SHIPPED_FOLDER": str(tmp_path)})
    assert read_back((tmp_path / "shipped.env").read_text()) == {
        "SHIPPED_DIGEST": "",
        "SHIPPED_REF": "",
        "SHIPPED_IMAGEID": "",
        "SHIPPED_PUSHED": "false",
        "SHIPPED_REF_A": "",
    }
    assert 'flakeship_pushed{image="a"} 0\n' in (tmp_path / "metrics.txt").read_text()
    platforms.hand_over(
        handover(nowhere, image(destination("r/b"), name="b")), {"SHIPPED_FOLDER": str(tmp_path)}
    )
    assert read_back((tmp_path / "shipped.env").read_text())["SHIPPED_REF"] == f"r/b@{DIGEST}"


def test_of_several_images_all_are_named(tmp_path: Path) -> None:
    made = handover(image(destination("r/app"), name="app"), image(destination("r/db"), name="db"))
    environ = {"SHIPPED_FOLDER": str(tmp_path), "CI_JOB_NAME": 'a "job"\\'}
    platforms.hand_over(made, environ)
    found = read_back((tmp_path / "shipped.env").read_text())
    assert found["SHIPPED_REF"].split() == [f"r/app@{DIGEST}", f"r/db@{DIGEST}"]
    assert found["SHIPPED_IMAGEID"].split() == [CONFIG, CONFIG]
    assert (found["SHIPPED_REF_APP"], found["SHIPPED_REF_DB"]) == (f"r/app@{DIGEST}", f"r/db@{DIGEST}")
    first, *rest = (tmp_path / "metrics.txt").read_text().splitlines()
    assert first == r'flakeship_image_bytes{job="a \"job\"\\",image="app"} 123'
    assert len(rest) == 7


def test_metrics_count_layers_once_and_sent_bytes_for_each_place(tmp_path: Path) -> None:
    places = (destination("r/a"), destination("r/b"), destination("r/c", reused=True))
    platforms.hand_over(
        handover(image(*places)), {"SHIPPED_FOLDER": "report", "CI_PROJECT_DIR": str(tmp_path)}
    )
    assert (tmp_path / "report" / "metrics.txt").read_text() == (
        "flakeship_image_bytes 123\nflakeship_image_layers 2\nflakeship_sent_bytes 246\nflakeship_pushed 1\n"
    )


@given(st.text(max_size=30), st.text(max_size=30))
def test_metrics_are_numbers_whatever_the_names(job: str, name: str) -> None:
    """As GitLab reads a metrics report: comments are cut off, then words are split as by a shell."""
    shipped = [image(destination("r/a"), name=each) for each in ("", name)]
    text = shipped_folder.metrics(shipped, job=job)
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
            shipped_folder.dotenv(values)
    else:
        assert read_back(shipped_folder.dotenv(values)) == values


@pytest.mark.parametrize(
    "value", ["a\nSHIPPED_DIGEST=evil", "a\rb", "a\0b", " a", "a\t", "oci:$CI_JOB_TOKEN", "%CI_JOB_TOKEN%"]
)
def test_a_value_that_would_read_as_something_else_is_refused(value: str) -> None:
    with pytest.raises(ResourceError, match=r"SHIPPED_REF is .* can't hand to another job") as caught:
        shipped_folder.dotenv({"SHIPPED_REF": value})
    assert "line breaks" in caught.value.hint


def test_more_than_gitlab_takes_is_refused() -> None:
    """A report must be smaller than the limit."""
    shipped_folder.dotenv({"X": "a" * 5116})
    with pytest.raises(ResourceError, match="5120 bytes") as caught:
        shipped_folder.dotenv({"X": "a" * 5117})
    assert "fewer images" in caught.value.hint


def test_the_summary_is_a_file(tmp_path: Path) -> None:
    environ = {"SHIPPED_FOLDER": str(tmp_path)}
    platforms.summarise("# one\n", environ)
    platforms.summarise("# two ✓\n", environ)
    assert (tmp_path / "summary.md").read_text() == "# one\n\n\n# two ✓\n"


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    platforms.hand_over(handover(image(destination("r/a"))), {"CI_PROJECT_DIR": str(tmp_path)})
    platforms.summarise("# x\n", {"SHIPPED_FOLDER": ""})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=r"can't write .*file.*summary\.md") as caught:
        platforms.summarise("x", {"SHIPPED_FOLDER": str(tmp_path / "file" / "in")})
    assert "SHIPPED_FOLDER" in caught.value.hint


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CI": "true"},
        {"GITHUB_ACTIONS": "true"},
        {"GITHUB_ACTIONS": "true", "FORGEJO_ACTIONS": "true"},
        {"GITLAB_CI": "true"},
        {"GITLAB_CI": "false", "CI_JOB_ID": "1000"},
    ],
)
def test_the_folder_counts_on_every_platform(environ: dict[str, str], tmp_path: Path) -> None:
    """And an earlier run's variables are taken away there, but not its summary, to which a job appends."""
    named = environ | {"SHIPPED_FOLDER": str(tmp_path / "report")}
    platforms.hand_over(handover(image(destination("r/a"))), named)
    platforms.summarise("# x\n", named)
    files = {"metrics.txt", "shipped.env", "summary.md"}
    assert {file.name for file in (tmp_path / "report").iterdir()} == files
    platforms.withdraw_outputs(named)
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"summary.md"}
    platforms.withdraw_outputs(environ)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("api", "SHIPPED_REF_API"),
        ("my-Api_2", "SHIPPED_REF_MY_API_2"),
        ("2nd", "SHIPPED_REF_2ND"),
        ("github:o/r", "SHIPPED_REF_GITHUB_O_R"),
        ("straße", "SHIPPED_REF_STRASSE"),
        ("é\n$x", "SHIPPED_REF____X"),
    ],
)
def test_a_variable_is_named_after_the_attribute(name: str, variable: str) -> None:
    assert shipped_folder.variable_of(name) == variable


@given(st.text(max_size=20))
def test_whatever_an_attribute_is_called_its_variable_is_a_name(name: str) -> None:
    assert re.fullmatch("SHIPPED_REF_[A-Z0-9_]*", shipped_folder.variable_of(name))


@pytest.mark.parametrize("names", [("my-api", "my_api"), ("api", "API"), ("x", "a b", "A.B")])
def test_names_that_would_be_one_variable_are_refused(names: tuple[str, ...]) -> None:
    """But only where the variables are written: anywhere else these names are as good as others."""
    with pytest.raises(UsageError, match=r"would both be SHIPPED_REF_\w+ in shipped\.env") as caught:
        platforms.check_names(names, {"SHIPPED_FOLDER": "report"})
    assert all(repr(name) in caught.value.message for name in names[-2:])
    platforms.check_names(names, {})
    platforms.check_names(names[:1], {"SHIPPED_FOLDER": "report"})
    platforms.check_names(("api", "web"), {"SHIPPED_FOLDER": "report"})


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (2, {"SHIPPED_DIGEST", "SHIPPED_IMAGEID", "SHIPPED_REF", "SHIPPED_PUSHED", "SHIPPED_REF_N0"}),
        (16, {"SHIPPED_REF", "SHIPPED_PUSHED", "SHIPPED_REF_N0"}),  # all would take more than 5 KiB
        (18, {"SHIPPED_REF", "SHIPPED_PUSHED", "SHIPPED_REF_N0"}),
        (19, {"SHIPPED_DIGEST", "SHIPPED_IMAGEID", "SHIPPED_REF", "SHIPPED_PUSHED"}),  # 21 variables
    ],
)
def test_of_many_images_there_is_as_much_as_gitlab_takes(number: int, wanted: set[str]) -> None:
    images = [image(destination("r/owner/name"), name=f"n{each}") for each in range(number)]
    text = shipped_folder.dotenv_of(handover(*images))
    found = read_back(text)
    others = {f"SHIPPED_REF_N{each}" for each in range(1, number)}
    assert found.keys() - others == wanted
    assert len(text.encode()) < 5120
    assert len(found) <= 20
    assert len(found["SHIPPED_REF"].split()) == number


@pytest.mark.parametrize("inputs", [["--to", "oci:layout"], ["--tags", "-"]], ids=["done", "failed"])
def test_the_folder_belongs_to_the_owner_of_the_workspace(
    inputs: list[str], archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container of CI runs as root: later steps, and who cleans up, do not."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, -1)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SHIPPED_FOLDER", "report")
    monkeypatch.setenv("HOME", str(tmp_path))
    cli.main(["publish", "--source", str(archive), *inputs])
    written = [folder / "report", *(folder / "report").iterdir()]
    assert folder / "report" / "summary.md" in written
    assert {path.stat().st_uid for path in written} == {nobody}


@pytest.mark.parametrize("folder", ["report", ""])
def test_images_that_can_not_be_told_apart_end_the_run_before_anything_is_built(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPPED_FOLDER", folder)
    monkeypatch.setenv("PATH", "")  # no Nix: that is the next thing to be missed
    (tmp_path / "flake.nix").touch()
    code = cli.main(["publish", "--flake", "my-api=.#a\nmy_api=.#b", "--to", "my-api=oci:a\nmy_api=oci:b"])
    log = capsys.readouterr().err
    assert code == (2 if folder else 3), log
    assert ("'my-api' and 'my_api' would both be SHIPPED_REF_MY_API" in log) is bool(folder)
