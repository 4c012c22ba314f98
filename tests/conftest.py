"""Fixtures live in tests/testbed, one file for each real thing that tests run against."""

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.testbed.nix",
    "tests.testbed.registry",
    "tests.testbed.registry_tls",
    "tests.testbed.docker",
    "tests.testbed.gitlab",
    "tests.testbed.podman",
    "tests.testbed.command",
    "tests.testbed.ssh",
]

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `long` runs where the marker is asked for by its name, and nowhere else."""
    if "long" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
