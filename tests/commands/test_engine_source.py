"""An image of a container engine is a source: real engines, and a scripted one for what they do rarely."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest

from flakeship import events
from flakeship.commands import inspect
from flakeship.commands.publish import command as publish
from flakeship.errors import Error, UnreachableError, UsageError
from tests.runtimes import runtime
from tests.settings.making import settings_of
from tests.testbed import archives
from tests.testbed.docker import Docker
from tests.testbed.podman import Podman
from tests.testbed.served import EveryMethod, served

IMAGE = archives.layered("example.org/app:latest")


class Scripted(EveryMethod):
    """An engine with one image, `app:latest`, which it hands over as `way` says."""

    way: ClassVar[str]
    asked: ClassVar[list[str]]

    def serve(self) -> None:
        path = unquote(self.path)
        self.asked.append(path)
        if path.endswith("/version"):
            self._document({"ApiVersion": "1.43"})
        elif path.endswith(("/images/app/json", "/images/app:latest/json", "/images/abc/json")):
            self._document({"Id": "sha256:" + "a" * 64, "RepoTags": ["app:1", "app:latest"]})
        elif path.endswith(("/images/app:latest/get", "/images/abc/get")) and self.way != "gone":
            self._archive()
        else:
            self._document({"message": "No such image: it"}, 404)

    def _archive(self) -> None:
        if self.way == "refused":
            self._document({"message": "its disk is gone"}, 500)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(IMAGE)))
        self.end_headers()
        self.wfile.write(IMAGE[: len(IMAGE) // 2] if self.way == "cut off" else IMAGE)
        self.close_connection = True

    def _document(self, document: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    Scripted.way, Scripted.asked = getattr(request, "param", ""), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    with served(server):
        yield {"DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}"}


def published(
    folder: Path, source: str, environ: Mapping[str, str], **given: Any
) -> tuple[str, list[events.Event]]:
    made, told = runtime(folder, environ)
    (folder / "tmp").mkdir(exist_ok=True)
    made = dataclasses.replace(made, temporary=folder / "tmp")
    try:
        return publish.run(settings_of(source=source, to=("oci:out",), **given), made), told
    finally:
        assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["app", "app:latest", "abc"])
def test_one_image_is_asked_for(name: str, engine: Mapping[str, str], tmp_path: Path) -> None:
    """Of a repository without a tag an engine would save every tag."""
    text, _ = published(tmp_path, f"docker-daemon:{name}", engine)
    assert text.startswith(f"oci:{tmp_path}/out:")
    saved = next(path for path in Scripted.asked if path.endswith("/get"))
    assert saved.endswith("/images/abc/get" if name == "abc" else "/images/app:latest/get")


@pytest.mark.parametrize(
    ("engine", "kind", "words", "hint"),
    [
        ("gone", UsageError, "docker-daemon has no image app, at tcp://127.0.0.1:", "docker images"),
        ("refused", UnreachableError, "docker-daemon did not hand over the image: its disk is gone", "log"),
        (
            "cut off",
            UnreachableError,
            "docker-daemon broke off in the middle of the image app:latest",
            "run again",
        ),
    ],
    indirect=["engine"],
)
def test_an_engine_that_hands_over_nothing_or_not_all(
    engine: Mapping[str, str], kind: type[Error], words: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        published(tmp_path, "docker-daemon:app", engine)
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert not (tmp_path / "out/index.json").exists()


def test_no_engine(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="docker-daemon does not answer at unix:"):
        published(tmp_path, "docker-daemon:app", {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    with pytest.raises(UnreachableError, match="podman's service has no socket here") as caught:
        published(tmp_path, "containers-storage:app", {"CONTAINER_CONNECTION": "elsewhere"})
    assert "podman save app | flakeship publish --source -" in caught.value.hint
    with pytest.raises(UsageError, match="does not speak ssh"):
        published(tmp_path, "docker-daemon:app", {"DOCKER_HOST": "ssh://host"})


def test_it_is_looked_at_by_its_name(engine: Mapping[str, str], tmp_path: Path) -> None:
    made, _ = runtime(tmp_path, engine)
    text = inspect.run(settings_of(image="docker-daemon:app"), dataclasses.replace(made, temporary=tmp_path))
    assert text.startswith("image     docker-daemon:app\n")


def test_docker_hands_over_what_it_loaded(dockerd: Docker, tmp_path: Path) -> None:
    name = "flakeship-test/source"
    try:
        for tag in ("1", "latest"):
            dockerd("load", stdin=archives.layered(f"{name}:{tag}"))
        text, _ = published(tmp_path, f"docker-daemon:{name}", dockerd.environ)
        assert text == f"oci:{tmp_path}/out:latest"
        with pytest.raises(UsageError, match="has no image flakeship-test/absent"):
            published(tmp_path, "docker-daemon:flakeship-test/absent", dockerd.environ)
        with pytest.raises(UsageError, match="`platforms` names linux/s390x"):
            published(tmp_path, f"docker-daemon:{name}:1", dockerd.environ, platforms=("linux/s390x",))
    finally:
        dockerd.run("image", "rm", "--force", f"{name}:1", f"{name}:latest")


@pytest.mark.slow
def test_podman_hands_over_what_it_loaded(podman_service: Podman, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(archives.layered("example.org/source:1"))
    podman_service("load", "--input", str(archive))
    for name in ("example.org/source:1", podman_service("images", "--quiet", "--no-trunc").strip()):
        text, _ = published(tmp_path, f"containers-storage:{name}", podman_service.environ)
        assert text.startswith(f"oci:{tmp_path}/out:")
    with pytest.raises(UsageError, match="containers-storage has no image example"):
        published(tmp_path, "containers-storage:example.org/absent", podman_service.environ)
