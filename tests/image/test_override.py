"""Overrides change what they name, leave all else alone, and can be undone by the record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import UsageError
from flakeship.image.annotations import UNSTAMP
from flakeship.image.document import merge_patch
from flakeship.image.healthcheck import parse_healthcheck
from flakeship.image.model import Image, Platform
from flakeship.image.override import Overrides, overridden, with_env
from flakeship.image.stamp import with_record

RUNTIME: dict[str, Any] = {
    "Entrypoint": ["/bin/init"],
    "Cmd": ["/bin/hello"],
    "Env": ["PATH=/bin", "LANG=C"],
    "ExposedPorts": {"80/tcp": {}},
    "Labels": {"a": "b"},
}
IMAGE = Image(
    {"architecture": "arm64", "os": "linux", "variant": "v8", "config": RUNTIME},
    Platform("linux", "arm64", "v8"),
    (),
    (),
)


def runtime(**overrides: Any) -> dict[str, Any]:
    return dict(overridden(IMAGE, Overrides(**overrides)).config["config"])


def test_nothing_said_is_nothing_changed() -> None:
    assert overridden(IMAGE, Overrides()) is IMAGE


def test_what_is_said_is_set_and_the_rest_stays() -> None:
    changed = runtime(
        entrypoint=("/bin/app", "two words"),
        user="65532:65532",
        workdir="/srv",
        stop_signal="SIGINT",
        ports=(("80/tcp", False), ("53/udp", True)),
        volumes=(("/data", True), ("/not-there", False)),
        healthcheck={"Test": ["NONE"]},
    )
    assert changed == {
        **RUNTIME,
        "Entrypoint": ["/bin/app", "two words"],
        "User": "65532:65532",
        "WorkingDir": "/srv",
        "StopSignal": "SIGINT",
        "ExposedPorts": {"53/udp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["NONE"]},
    }
    assert RUNTIME["ExposedPorts"] == {"80/tcp": {}}


def test_an_empty_list_takes_the_images_own_away() -> None:
    assert runtime(entrypoint=(), cmd=("x",)) == {**RUNTIME, "Entrypoint": [], "Cmd": ["x"]}
    without = Image({"config": {}}, IMAGE.platform, (), ())
    assert overridden(without, Overrides(entrypoint=(), volumes=(("/a", False),))) is without


def test_a_platform_replaces_the_whole_platform() -> None:
    changed = overridden(IMAGE, Overrides(platform=Platform("linux", "amd64")))
    assert (changed.config["architecture"], changed.platform) == ("amd64", Platform("linux", "amd64"))
    assert "variant" not in changed.config


@pytest.mark.parametrize(("spelled", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_a_platform_that_engines_do_not_know_by_its_name_gets_theirs(spelled: str, name: str) -> None:
    image = Image({"os": "linux", "architecture": spelled}, Platform("linux", spelled), (), ())
    changed = overridden(image, Overrides(platform=Platform("linux", name)))
    assert (changed.config["architecture"], changed.platform.architecture) == (name, name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("LANG", "de")], ["A=1", "LANG=de", "B=2", "odd"]),
        ([("A", None)], ["LANG=C", "B=2", "LANG=D", "odd"]),
        ([("NEW", "x=y")], ["A=1", "LANG=C", "B=2", "LANG=D", "odd", "NEW=x=y"]),
        ([("A", None), ("A", "again")], ["LANG=C", "B=2", "LANG=D", "odd", "A=again"]),
        ([("LANG", "")], ["A=1", "LANG=", "B=2", "odd"]),
        ([("none", None)], ["A=1", "LANG=C", "B=2", "LANG=D", "odd"]),
    ],
)
def test_env_adds_replaces_and_removes(changes: list[tuple[str, str | None]], expected: list[str]) -> None:
    assert with_env(["A=1", "LANG=C", "B=2", "LANG=D", "odd"], changes) == expected


NAMES = st.sampled_from(["A", "B", "C"])


@given(
    st.lists(st.tuples(NAMES, st.text())),
    st.lists(st.tuples(NAMES, st.none() | st.text()), min_size=1),
)
def test_env_is_what_a_mapping_would_be(
    before: list[tuple[str, str]], changes: list[tuple[str, str | None]]
) -> None:
    env = with_env([f"{name}={value}" for name, value in before], changes)
    expected: dict[str, str | None] = {**dict(before), **dict(changes)}
    found = dict(entry.partition("=")[::2] for entry in env)
    assert found == {name: value for name, value in expected.items() if value is not None}
    assert all(sum(entry.startswith(f"{name}=") for entry in env) <= 1 for name, _ in changes)


@given(
    st.builds(
        Overrides,
        entrypoint=st.none() | st.tuples(st.text()),
        env=st.lists(st.tuples(NAMES, st.none() | st.text())).map(tuple),
        user=st.sampled_from(["", "me"]),
        ports=st.lists(st.tuples(st.sampled_from(["80/tcp", "1/udp"]), st.booleans())).map(tuple),
        platform=st.none() | st.just(Platform("linux", "riscv64")),
    )
)
def test_the_record_gives_the_config_back(overrides: Overrides) -> None:
    changed = with_record(overridden(IMAGE, overrides), IMAGE)
    patch = json.loads(changed.annotations.get(UNSTAMP, "{}"))
    assert merge_patch(dict(changed.config), patch) == IMAGE.config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NONE", {"Test": ["NONE"]}),
        ('CMD ["/bin/check", "-q"]', {"Test": ["CMD", "/bin/check", "-q"]}),
        ("CMD curl -f localhost || exit 1", {"Test": ["CMD-SHELL", "curl -f localhost || exit 1"]}),
        (
            "--interval=1m30s --timeout=1.5s --start-period=250ms --retries=3 cmd true",
            {
                "Interval": 90 * 10**9,
                "Timeout": 15 * 10**8,
                "StartPeriod": 25 * 10**7,
                "Retries": 3,
                "Test": ["CMD-SHELL", "true"],
            },
        ),
    ],
)
def test_a_health_check_is_read_as_in_a_dockerfile(text: str, expected: dict[str, Any]) -> None:
    assert parse_healthcheck(text, lambda words: tuple(json.loads(words))) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("curl localhost", "neither NONE nor CMD"),
        ("CMD", "neither NONE nor CMD"),
        ("--interval=30s NONE", "neither NONE nor CMD"),
        ("--every=30s CMD true", "--every"),
        ("--interval=30 CMD true", "--interval=30"),
        ("--interval=1us CMD true", "at least 1ms"),
        ("--retries=many CMD true", "--retries=many"),
    ],
)
def test_a_health_check_that_docker_would_refuse_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_healthcheck(text, lambda _: ())
    assert words in caught.value.message
    assert "CMD [" in caught.value.hint


@pytest.mark.parametrize(
    ("duration", "nanoseconds"),
    [
        ("1000000ns", 10**6),
        ("1000us", 10**6),
        ("1000µs", 10**6),
        ("1ms", 10**6),
        ("1s", 10**9),
        ("1m", 60 * 10**9),
        ("1h", 3600 * 10**9),
        ("0s", 0),
    ],
)
def test_every_unit_of_a_duration(duration: str, nanoseconds: int) -> None:
    assert parse_healthcheck(f"--start-interval={duration} CMD x", lambda _: ()) == {
        "StartInterval": nanoseconds,
        "Test": ["CMD-SHELL", "x"],
    }
    for wrong in ("999999ns", "9223372036854775808ns"):
        with pytest.raises(UsageError, match=wrong):
            parse_healthcheck(f"--timeout={wrong} CMD x", lambda _: ())
