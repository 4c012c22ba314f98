"""The config is read as engines read it: whose fields they know, in which spelling, of which type.

What docker says to each row stands in tests/e2e/test_config_in_docker.py, where it is asked.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import NotAnImageError
from flakeship.image.claims import image_of
from flakeship.image.document import encode
from flakeship.image.engine_config import RUNTIME, as_engines_read
from flakeship.image.model import Image
from flakeship.image.override import Overrides, overridden
from flakeship.image.stamp import labels_of, with_labels, with_record
from flakeship.image.stamp import unstamped as as_before
from tests.image.config_rows import LOADED, READ_TWICE, REFUSED

DIFF_ID = "sha256:" + "a" * 64


def image(runtime: Any, **more: Any) -> Image:
    return image_of({"rootfs": {"diff_ids": [DIFF_ID]}, "config": runtime, **more}, 1, what="the config")


@pytest.mark.parametrize(("runtime", "key"), REFUSED)
def test_a_value_that_no_engine_reads_is_refused_by_name(runtime: Any, key: str) -> None:
    with pytest.raises(NotAnImageError) as caught:
        image(runtime)
    assert caught.value.message.startswith(f"the config: config.{key} ")
    assert f"`config.{key}`" in caught.value.hint


def test_a_duration_is_said_to_be_in_nanoseconds() -> None:
    with pytest.raises(
        NotAnImageError, match=r"config.Healthcheck.Interval is str, docker wants int"
    ) as caught:
        image({"Healthcheck": {"Interval": "30s"}})
    assert "nanoseconds" in caught.value.hint


@pytest.mark.parametrize("runtime", LOADED)
def test_a_config_spelled_as_go_spells_it_stays_byte_for_byte(runtime: Any) -> None:
    assert encode(image(runtime).config["config"]) == encode(runtime)


@pytest.mark.parametrize("name", RUNTIME)
def test_every_field_is_found_in_whatever_case(name: str) -> None:
    value = next(row[name] for row in LOADED if name in row)
    for key in (name.lower(), name.upper(), name.swapcase()):
        assert image({key: value}).config["config"] == {name: value}


@pytest.mark.parametrize(("text", "read"), READ_TWICE)
def test_of_two_keys_that_are_one_the_later_is_read_into_the_earlier(text: str, read: Any) -> None:
    assert image(json.loads(text)).config["config"] == read


@pytest.mark.parametrize(
    "key", ["working_dir", "working-dir", "Work ingDir", "MacAddre\u00df", "\u0130mage", "Memory", "x"]
)
def test_what_is_no_field_stays_as_it_is(key: str) -> None:
    assert image({key: [{"deep": 1.5}]}).config["config"] == {key: [{"deep": 1.5}]}


def test_the_keys_around_it_are_found_as_well() -> None:
    found = image_of(
        {
            "OS": "windows",
            "Architecture": "arm64",
            "VARIANT": "v8",
            "OS.Version": "10.0",
            "Created": "2020-01-01T00:00:00Z",
            "Config": {"user": "me"},
            "RootFS": {"Type": "layers", "Diff_IDs": [DIFF_ID]},
            "History": [{"Created_By": "me", "EMPTY_LAYER": True}, {"Comment": "it"}],
        },
        1,
        what="the config",
    )
    assert found.config == {
        "os": "windows",
        "architecture": "arm64",
        "variant": "v8",
        "os.version": "10.0",
        "created": "2020-01-01T00:00:00Z",
        "config": {"User": "me"},
    }
    assert (str(found.platform), found.platform.os_version) == ("windows/arm64/v8", "10.0")
    assert found.diff_ids == (DIFF_ID,)
    assert found.history == ({"created_by": "me", "empty_layer": True}, {"comment": "it"})


@pytest.mark.parametrize("key", ["config", "Config"])
def test_of_two_configs_each_is_checked(key: str) -> None:
    other = "Config" if key == "config" else "config"
    with pytest.raises(NotAnImageError, match=r"config\.user is int"):
        image_of({"rootfs": {"diff_ids": [DIFF_ID]}, key: {"user": 5}, other: {}}, 1, what="the config")


LOWER = {
    "entrypoint": ["/app"],
    "cmd": ["x"],
    "env": ["A=flake", "B=2"],
    "user": "root",
    "workingdir": "/",
    "exposedPorts": {"80/tcp": {}},
    "volumes": {"/a": {}},
    "stopsignal": "SIGHUP",
    "healthcheck": {"test": ["NONE"]},
    "labels": {"version": "flake", "other": "stays"},
}


def test_overrides_and_labels_meet_the_keys_that_engines_see() -> None:
    source = image(LOWER)
    changed = overridden(
        source,
        Overrides(
            entrypoint=("/other",),
            cmd=(),
            env=(("A", "ci"), ("B", None)),
            user="me",
            workdir="/srv",
            ports=(("80/tcp", False), ("81/tcp", True)),
            volumes=(("/b", True),),
            stop_signal="SIGINT",
            healthcheck={"Test": ["CMD", "x"]},
        ),
    )
    stamped = with_record(with_labels(changed, {**labels_of(changed), "version": "ci"}), source)
    assert stamped.config["config"] == {
        "Entrypoint": ["/other"],
        "Cmd": [],
        "Env": ["A=ci"],
        "User": "me",
        "WorkingDir": "/srv",
        "ExposedPorts": {"81/tcp": {}},
        "Volumes": {"/a": {}, "/b": {}},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "x"]},
        "Labels": {"version": "ci", "other": "stays"},
    }
    before, _ = as_before(stamped.config, stamped.annotations)
    assert before == source.config


KEYS = st.sampled_from(["Env", "env", "ENV", "Labels", "labels", "User", "user", "Tty", "x", "X"])


@given(
    st.dictionaries(
        KEYS, st.none() | st.text(max_size=2) | st.dictionaries(st.text(max_size=1), st.text(max_size=1))
    )
)
def test_reading_again_changes_nothing(runtime: dict[str, Any]) -> None:
    once = as_engines_read(runtime, RUNTIME)
    assert as_engines_read(once, RUNTIME) == once
    assert len({key.lower() for key in once if key != "X"}) == len(once) - ("X" in once)
