"""Fixtures live in tests/testbed, one file for each real thing that tests run against."""

pytest_plugins = [
    "tests.testbed.nix",
    "tests.testbed.registry",
    "tests.testbed.registry_tls",
    "tests.testbed.docker",
    "tests.testbed.gitlab",
    "tests.testbed.podman",
    "tests.testbed.command",
]
