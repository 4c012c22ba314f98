"""The text of a key for ssh, as people paste it: what can be mended is what ssh-keygen wrote, the rest is refused unquoted."""

from __future__ import annotations

import base64
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.nix.ssh_key import private_key
from tests.testbed.ssh import new_key

KINDS = {
    "ed25519": ("ed25519",),
    "ecdsa": ("ecdsa", "-b", "256"),
    "rsa": ("rsa", "-b", "1024"),
    "rsa-pem": ("rsa", "-b", "1024", "-m", "PEM"),
    "ecdsa-pem": ("ecdsa", "-b", "256", "-m", "PEM"),
    "rsa-pkcs8": ("rsa", "-b", "1024", "-m", "PKCS8"),
}
MANGLED: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "no newline at the end": str.rstrip,
    "line ends of DOS": lambda key: key.replace("\n", "\r\n"),
    "line ends of old Macs": lambda key: key.replace("\n", "\r"),
    "blank lines around": lambda key: f"\n\n{key}\n\n",
    "indented, as in YAML": lambda key: "".join(f"    {line}\n" for line in key.splitlines()),
    "blanks at the ends of lines": lambda key: key.replace("\n", "  \n"),
    "a byte order mark": lambda key: f"\ufeff{key}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return new_key(folder / "usual")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_is_taken_however_it_was_pasted(kind: str, folder: Path) -> None:
    made = new_key(folder / kind, *KINDS[kind])
    assert {name for name, mangle in MANGLED.items() if private_key(mangle(made)) != made} == set()


def refusal(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        private_key(text)
    words = f"{caught.value.message} {caught.value.hint}"
    body = re.sub(r"-----[A-Z ]+-----", "", text)
    assert not [line for line in body.split() if len(line) > 12 and line in words], "it is not quoted"
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("options", [(), ("-m", "PEM"), ("-m", "PKCS8")])
def test_a_passphrase_is_refused(options: tuple[str, ...], folder: Path) -> None:
    path = folder / f"locked{'-'.join(options)}"
    new_key(path, "rsa", "-b", "1024", *options)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "hunter2", "-f", str(path), *options]
    subprocess.run(change, check=True, capture_output=True)
    assert "has a passphrase" in refusal(path.read_text()).message


def test_what_is_no_key_is_told_by_what_it_is(key: str, folder: Path) -> None:
    public = (folder / "usual.pub").read_text()
    said = {
        "hunter2hunter2": "is no private key",
        public: "public half",
        "~/.ssh/id_ed25519": "name of a file",
        "C:\\Users\\me\\id": "name of a file",
        base64.b64encode(key.encode()).decode(): "is a key in Base64",
        base64.encodebytes(key.encode()).decode(): "is a key in Base64",
        key.replace("\n", " "): "has lost its line breaks",
        key.replace("\n", "\\n"): "in place of its line breaks",
        key + key: "more than one key",
        "\n".join(key.splitlines()[:-1]): "end is missing",
        f"{key}\nhunter2hunter2": "more behind it",
        "PuTTY-User-Key-File-3: ssh-ed25519\n": "PuTTY",
        key.replace("OPENSSH PRIVATE", "PGP PRIVATE"): "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----": "public half",
        "-----BEGIN RSA PRIVATE KEY-----\n\n-----END RSA PRIVATE KEY-----": "damaged",
    }
    assert {text: words for text, words in said.items() if words not in refusal(text).message} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_was_cut_is_refused(kind: str, folder: Path) -> None:
    """Some characters of its body are missing, wherever: ssh would say `error in libcrypto`, after a minute of work."""
    made = new_key(folder / f"{kind}-cut", *KINDS[kind])
    first, *body, last = made.splitlines()
    text, chance = "".join(body), random.Random(kind)
    for _ in range(50):
        start = chance.randrange(len(text) - 8)
        left = text[:start] + text[start + 4 * chance.randrange(1, 3) :]
        assert "damaged or cut" in refusal(f"{first}\n{left}\n{last}").message
