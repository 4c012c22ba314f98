"""Lines of known_hosts, and the hosts that are known without one."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.nix.ssh_hosts import WELL_KNOWN, known_hosts

KEY = WELL_KNOWN["codeberg.org"]
FINGERPRINTS = {
    "github.com": "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
    "gitlab.com": "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
    "codeberg.org": "mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g",
}
"""As the hosts publish them, in other pages than the keys."""


def test_the_keys_of_well_known_hosts_have_the_fingerprints_that_these_publish() -> None:
    found = {
        host: base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode().rstrip("=")
        for host, key in WELL_KNOWN.items()
    }
    assert found == FINGERPRINTS


@pytest.mark.parametrize(
    ("host", "left_out"),
    [
        ("github.com", True),
        ("github.com,140.82.121.4", True),
        ("GitHub.com", True),
        ("[github.com]:22", True),
        ("*.com", True),
        ("@cert-authority github.com", True),
        ("@revoked github.com", True),
        ("[github.com]:443", False),
        ("git.github.com", False),
        ("github.example", False),
    ],
)
def test_a_line_for_a_well_known_host_stands_for_it_alone(host: str, left_out: bool) -> None:
    """So that a key which its host has given up can be given up here too."""
    line = f"{host} ssh-ed25519 {KEY} a comment"
    text = known_hosts([line])
    assert text.startswith(f"{line}\n")
    assert (f"\ngithub.com ssh-ed25519 {WELL_KNOWN['github.com']}\n" not in text) == left_out
    assert f"\ncodeberg.org ssh-ed25519 {KEY}\n" in text


def test_a_hashed_name_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"gitlab.com ssh-ed25519 {KEY}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    (line,) = file.read_text().splitlines()
    assert line.startswith("|1|")
    assert WELL_KNOWN["gitlab.com"] not in known_hosts([line])
    assert WELL_KNOWN["github.com"] in known_hosts([line])


@pytest.mark.parametrize("host", WELL_KNOWN)
def test_ssh_finds_what_is_written(host: str, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text(known_hosts([f"elsewhere.example ssh-ed25519 {KEY}"]))
    found = subprocess.run(
        ["ssh-keygen", "-F", host, "-f", "known_hosts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert WELL_KNOWN[host] in found.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("github.com", "has not the host, the type and the key"),
        (f"ssh-ed25519 {KEY}", "does not begin with a host"),
        (f"ssh-ed25519 {KEY} a comment", "does not begin with a host"),
        (f"github.com ssh-rsa {KEY}", "no key of the type"),
        ("github.com ssh-ed25519 AAAA!", "no key of the type"),
        ("github.com ssh-ed25519 AAAA", "no key of the type"),
        (f"github.com ssh-ed25519 {KEY[:9]}", "no key of the type"),
        (f"@trusted github.com ssh-ed25519 {KEY}", "@trusted"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "belongs into ssh-key"),
        ("github.com SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "has not the host"),
    ],
)
def test_a_line_that_ssh_would_pass_over_is_refused(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"ssh-known-hosts, line 2 ") as caught:
        known_hosts([f"elsewhere.example ssh-ed25519 {KEY}", line])
    assert words in caught.value.message
    assert "ssh-keyscan" in caught.value.hint
