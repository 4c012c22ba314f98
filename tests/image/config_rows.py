"""Runtime configs and what docker's types say to them: asked of a real engine in tests/e2e/test_config_in_docker.py."""

from __future__ import annotations

from typing import Any, Final

_TEXTS: Final = ("User", "WorkingDir", "StopSignal", "Hostname", "Domainname", "Image", "MacAddress")
_FLAGS: Final = (
    "ArgsEscaped",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "NetworkDisabled",
)
_WHOLE: Final = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_NO_WHOLE: Final[tuple[Any, ...]] = ("30s", "5", 5.0, 3e9, 0.5, 1 << 63, -(1 << 63) - 1, True, [5], {})


def _rows() -> list[tuple[dict[str, Any], str]]:
    rows: list[tuple[dict[str, Any], str]] = []

    def refused(key: str, *values: Any) -> None:
        for value in values:
            outer, _, inner = key.partition(".")
            rows.append(({outer: {inner: value} if inner else value}, key))

    for key in _TEXTS:
        refused(key, 1000, True, ["x"], {"a": "b"})
    for key in _FLAGS:
        refused(key, "true", 1, 0, [True], {})
    for key in ("Env", "OnBuild", "Healthcheck.Test"):
        refused(key, "A=1", 5, {"A": "1"}, [5], [["A=1"]], [True], True)
    for key in ("Entrypoint", "Cmd", "Shell"):
        refused(key, 5, {"A": "1"}, [5], [["A=1"]], True)
    for key in ("ExposedPorts", "Volumes"):
        refused(key, "80", 80, ["80/tcp"], {"80/tcp": "x"}, {"80/tcp": 1}, {"80/tcp": []}, True)
    refused("Labels", "a=b", ["a=b"], {"a": 1}, {"a": True}, {"a": ["b"]}, {"a": {}}, 5)
    refused("Healthcheck", "CMD true", ["CMD", "true"], 5, True)
    for key in _WHOLE:
        refused(f"Healthcheck.{key}", *_NO_WHOLE)
    refused("StopTimeout", *_NO_WHOLE)
    refused("healthCheck.interval", "30s")
    refused("ENV", {"A": "1"})
    return rows


REFUSED: Final = _rows()
"""What can't be loaded, with the key that is to blame."""

OTHERWISE: Final[tuple[dict[str, Any], ...]] = ({"Entrypoint": "/app"}, {"Cmd": "/app"})
"""What docker loads and is refused all the same: engines that follow image-spec's types alone can't."""

NEW_IN_25: Final = "StartInterval"
"""A field that docker knows since version 25."""

LOADED: Final[tuple[dict[str, Any], ...]] = (
    {
        "User": "me",
        "WorkingDir": "/",
        "StopSignal": "SIGINT",
        "Hostname": "h",
        "Domainname": "d",
        "Image": "sha256:x",
        "MacAddress": "",
    },
    dict.fromkeys(_FLAGS, True),
    dict.fromkeys(_FLAGS, False),
    {"Env": ["A=1"], "Entrypoint": ["/app"], "Cmd": [], "OnBuild": ["RUN true"], "Shell": ["/bin/sh", "-c"]},
    {"Shell": "/bin/sh -c"},
    {"ExposedPorts": {"80/tcp": {}}, "Volumes": {"/a": {"odd": 1}}, "Labels": {"a": "b", "": ""}},
    {"Healthcheck": {"Test": ["CMD", "x"], "Retries": 3, **dict.fromkeys(_WHOLE[:4], 30 * 10**9)}},
    {"Healthcheck": {"Interval": -1, "Odd": "30s"}, "StopTimeout": -5},
    {"Healthcheck": {}, "StopTimeout": (1 << 63) - 1},
    {"Memory": "1g", "CpuShares": [2], "Odd": {"nested": [1.5, True]}},
)

READ_TWICE: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ('{"Entrypoint":["a"],"entrypoint":["b"]}', {"Entrypoint": ["b"]}),
    ('{"entrypoint":["b"],"Entrypoint":["a"]}', {"Entrypoint": ["a"]}),
    ('{"Env":["A=1"],"env":["B=2"]}', {"Env": ["B=2"]}),
    ('{"Env":["A=1"],"env":null}', {}),
    ('{"User":"a","user":null}', {"User": "a"}),
    (
        '{"Labels":{"a":"1","c":"3"},"labels":{"a":"2","b":"2"}}',
        {"Labels": {"a": "2", "b": "2", "c": "3"}},
    ),
    ('{"labels":{"a":"2","b":"2"},"Labels":{"a":"1"}}', {"Labels": {"a": "1", "b": "2"}}),
    ('{"Labels":{"a":"1"},"labels":null}', {}),
    ('{"Volumes":{"/a":{}},"volumes":{"/b":{}}}', {"Volumes": {"/a": {}, "/b": {}}}),
    (
        '{"Healthcheck":{"Test":["NONE"],"Interval":5},"healthcheck":{"interval":7,"RETRIES":2}}',
        {"Healthcheck": {"Test": ["NONE"], "Interval": 7, "Retries": 2}},
    ),
    ('{"Healthcheck":{"Test":["NONE"]},"healthcheck":null}', {}),
    ('{"StopTimeout":5,"stoptimeout":null}', {}),
    ('{"Label\u017f":{"a":"b"}}', {"Labels": {"a": "b"}}),
    ('{"Wor\u212aingDir":"/kelvin"}', {"WorkingDir": "/kelvin"}),
)
"""Configs as text, for the order counts, and what docker makes of them."""
