"""A registry that does not answer when it is asked what is published: that costs the reuse, and never the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.forging import Forged, layer
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import Answer

pytestmark = pytest.mark.slow

Fault = Callable[[FaultProxy, str], None]


def answering(status: int, body: bytes = b"") -> Fault:
    return lambda proxy, path: proxy.fail_next("GET", path, status=status, times=9, body=body)


def half(answer: Answer) -> Answer:
    return Answer(200, {"Content-Type": answer.headers.get("Content-Type", "")}, answer.body[:50])


FAULTS: Final[Mapping[str, Fault]] = {
    **{str(status): answering(status) for status in (401, 403, 404, 406, 429, 500, 503)},
    "a reset": lambda proxy, path: proxy.reset_next("GET", path, times=9),
    "half an answer": lambda proxy, path: proxy.change_next("GET", path, half, times=9),
    "an answer that is lost": lambda proxy, path: proxy.lose_response("GET", path, times=9),
    "another answer": answering(200, b"<html>welcome</html>"),
}


@pytest.mark.parametrize("path", ["/manifests/", "/blobs/sha256:"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_answer(registry: Registry, proxy: FaultProxy, tmp_path: Path, fault: str, path: str) -> None:
    image = Forged(registry, proxy, tmp_path, [layer("one"), layer("two")])
    image.publish(labels=("a=1",))
    FAULTS[fault](proxy, path)
    image.publish(labels=("a=2",))
    proxy.clear()
    image.assert_right(labels={"a": "2"})
