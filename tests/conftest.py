"""Fixtures live in tests/testbed, one file for each real thing that tests run against."""

from hypothesis import settings

pytest_plugins = [
    "tests.testbed.nix",
    "tests.testbed.registry",
    "tests.testbed.registry_tls",
    "tests.testbed.docker",
    "tests.testbed.gitlab",
    "tests.testbed.podman",
    "tests.testbed.command",
]

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
