"""From the inputs to overrides: both ways to write a command, and every value that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from flakeship import events
from flakeship.commands.platforms import platform_of
from flakeship.commands.publish.overrides import overridden_by, overrides_of
from flakeship.commands.publish.reuse import ReuseRequest
from flakeship.errors import UsageError
from flakeship.image.claims import image_of
from flakeship.image.document import encode
from flakeship.image.model import Platform, digest_of
from flakeship.image.override import Overrides, with_platform
from flakeship.settings.declaration import Settings


def read(**inputs: Any) -> Overrides:
    return overrides_of(Settings(**inputs))


def test_without_inputs_there_are_no_overrides() -> None:
    assert read() == Overrides()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["/bin/app", "a b"]', ("/bin/app", "a b")),
        ("/bin/app 'a b' c\\ d", ("/bin/app", "a b", "c d")),
        ("echo $HOME && true", ("echo", "$HOME", "&&", "true")),
        ("[]", ()),
    ],
)
def test_a_command_is_a_json_list_or_words(text: str, words: tuple[str, ...]) -> None:
    assert read(entrypoint=text).entrypoint == read(cmd=text).cmd == words


def test_everything_is_read() -> None:
    assert read(
        env=("A=1=2", "-B", "C="),
        user="app:staff",
        workdir="/srv",
        expose=("8080", "53/UDP", "-90", "1-3"),
        volumes=("/data", "-/old"),
        stop_signal="sigint",
        override_platform="linux/arm64/v8",
    ) == Overrides(
        env=(("A", "1=2"), ("B", None), ("C", "")),
        user="app:staff",
        workdir="/srv",
        ports=(
            ("8080/tcp", True),
            ("53/udp", True),
            ("90/tcp", False),
            ("1/tcp", True),
            ("2/tcp", True),
            ("3/tcp", True),
        ),
        volumes=(("/data", True), ("/old", False)),
        stop_signal="SIGINT",
        platform=Platform("linux", "arm64", "v8"),
    )


@pytest.mark.parametrize(("family", "warnings"), [("oci", 1), ("docker", 0)])
def test_a_health_check_warns_where_few_will_see_it(family: str, warnings: int) -> None:
    heard: list[events.Event] = []
    settings = Settings(healthcheck="CMD true", media_types=family)
    assert overrides_of(settings, heard.append).healthcheck == {"Test": ["CMD-SHELL", "true"]}
    assert len([event for event in heard if isinstance(event, events.Warned)]) == warnings


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"entrypoint": "'unclosed"}, "entrypoint: \"'unclosed\" can't be split"),
        ({"cmd": '["unclosed'}, "cmd: '[\"unclosed' begins like a JSON list"),
        ({"cmd": "[1]"}, "not a list of strings"),
        ({"cmd": '["\\u0000"]'}, "NUL"),
        ({"entrypoint": '["a", "\\ud800"]'}, "half of a surrogate pair"),
        ({"env": ("NAME",)}, "env: 'NAME' has no value"),
        ({"env": ("=x",)}, "names no variable"),
        ({"env": ("A B=x",)}, "names no variable"),
        ({"env": ("-",)}, "names no variable"),
        ({"user": "no body"}, "user: 'no body'"),
        ({"user": "a:b:c"}, "user: 'a:b:c'"),
        ({"workdir": "srv"}, "workdir: 'srv'"),
        ({"workdir": "/srv/../etc"}, "workdir"),
        ({"expose": ("http",)}, "expose: 'http'"),
        ({"expose": ("0",)}, "expose: '0'"),
        ({"expose": ("70000",)}, "expose: '70000'"),
        ({"expose": ("9-8",)}, "expose: '9-8'"),
        ({"expose": ("1-65535",)}, "expose: '1-65535'"),
        ({"volumes": ("data",)}, "volumes: 'data'"),
        ({"stop_signal": "TERMINATE"}, "stop-signal: 'TERMINATE'"),
        ({"stop_signal": "SIGFOO"}, "stop-signal: 'SIGFOO'"),
        ({"stop_signal": "SIGRTMIN+16"}, "stop-signal: 'SIGRTMIN+16'"),
        ({"stop_signal": "65"}, "'65' is not a valid stop-signal"),
        ({"healthcheck": "true"}, "healthcheck: 'true'"),
        ({"override_platform": "linux"}, "override-platform: 'linux'"),
        ({"override_platform": "Linux/arm64/v8/x"}, "override-platform: 'Linux/arm64/v8/x'"),
        ({"platforms": ("linux/arm64", "all")}, "platforms: 'all'"),
    ],
)
def test_a_bad_value_is_refused_with_a_way_out(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(**inputs)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["SIGTERM", "sigrtmin+15", "SIGRTMAX-14", "SIGUSR1", "SIGSTKFLT", "9", "64"])
def test_every_signal_of_linux_may_stop_a_container(name: str) -> None:
    assert read(stop_signal=name).stop_signal == name.upper()


def test_a_variable_with_several_values_is_told() -> None:
    heard: list[events.Event] = []
    overrides_of(Settings(env=("A=1", "B=1", "A=2", "B=1", "-A")), heard.append)
    assert heard == [events.Notice("env: A has several values, of which the last is taken")]


@pytest.mark.parametrize(
    ("said", "wanted", "notices"),
    [
        ("linux/amd64", "linux/arm64", 1),
        ("linux/arm64", "linux/arm/v7", 1),
        ("linux/arm/v6", "linux/arm/v7", 1),
        ("linux/amd64", "windows/amd64", 1),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/amd64", "linux/x86_64", 0),
        ("linux/arm/v7", "linux/arm", 0),
    ],
)
def test_an_image_that_is_labelled_anew_is_told_of(said: str, wanted: str, notices: int) -> None:
    heard: list[events.Event] = []
    overrides = overrides_of(Settings(override_platform=wanted), heard.append)
    image = with_platform(image_of({"rootfs": {"diff_ids": []}}, 0, what="x"), platform_of(said))
    made = overridden_by(image, overrides=overrides, emit=heard.append)
    assert made.platform.serves(platform_of(wanted))
    told = [event.text for event in heard if isinstance(event, events.Notice)]
    assert (
        told
        == [f"the config says that the image is for {said}; it is published as one for {wanted}"] * notices
    )
    assert not any(isinstance(event, events.Warned) for event in heard)


@pytest.mark.parametrize(
    "names",
    [
        ("linux/arm64", "linux/aarch64", "linux/arm64/v8", "linux/arm64/8"),
        ("linux/amd64", "linux/x86_64", "linux/amd64/v1"),
        ("linux/arm", "linux/arm/v7", "linux/armhf"),
        ("linux/386", "linux/i386"),
    ],
)
def test_every_name_of_a_platform_marks_what_is_packed_alike(names: tuple[str, ...]) -> None:
    marks = {ReuseRequest.of(Settings(platforms=(name,))).shape for name in names}
    assert marks == {digest_of(encode({"platforms": [names[0]]}))[7:23]}


def test_an_image_is_labelled_anew_without_other_layers() -> None:
    """So a later run without the input may take it for what it was made from."""
    assert ReuseRequest.of(Settings(override_platform="linux/arm64")) == ReuseRequest.of(Settings())
