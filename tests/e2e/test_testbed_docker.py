"""The engine that the other tests stand on: it runs containers, builds from the base image, and sees no login."""

from __future__ import annotations

from tests.testbed.docker import Docker


def test_engine_builds_from_the_base_image_and_runs_the_result(dockerd: Docker, base_image: str) -> None:
    dockerfile = f'FROM {base_image}\nRUN echo built > /built\nENTRYPOINT ["cat", "/built"]\n'.encode()
    built = dockerd("build", "--quiet", "-", stdin=dockerfile).strip()
    try:
        assert dockerd("run", "--rm", built) == "built\n"
    finally:
        dockerd("image", "rm", built)
