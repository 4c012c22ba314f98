"""The text of a private key for ssh: what editors and secret stores do to it is mended, what can't be used is refused.

https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key, and RFC 7468 for the older forms.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from flakeship.errors import UsageError

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n(.*?)\n-----END \1-----", re.DOTALL)
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_KINDS: Final = frozenset(
    f"{kind}PRIVATE KEY" for kind in ("OPENSSH ", "RSA ", "EC ", "DSA ", "", "ENCRYPTED ")
)
_PUBLIC: Final = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ AAAA|-----BEGIN [A-Z0-9 ]*PUBLIC KEY-----")
_MAGIC: Final = b"openssh-key-v1\0"
_NEW_KEY: Final = "make one for this alone: `ssh-keygen -t ed25519 -N '' -f FILE`"
_WHOLE: Final = (
    "give all of the file that ssh-keygen wrote, with its line breaks, from `-----BEGIN` to the last dash"
)


def private_key(text: str, name: str = "ssh-key") -> str:
    """Return the key as ssh reads it from a file: line feeds between lines, and one at the end.

    UsageError for what is no private key, for several, for one with a passphrase, and for one that was cut. They call it
    by `name`, and none of them quotes the text.
    """
    try:
        return _mended(text)
    except UsageError as refused:  # it lacks the subject
        raise UsageError(f"{name} {refused.message}", hint=refused.hint) from None


def is_read_by_ssh(text: str, mended: str) -> bool:
    """Whether ssh reads the `text` of a key in a file as it stands; `mended` is what `private_key` makes of it.

    Of its own form ssh wants every byte, and other forms are read by OpenSSL, which is lenient.
    """
    return text.startswith(mended) or "OPENSSH" not in mended.partition("\n")[0]


def _mended(text: str) -> str:
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").splitlines()
    mended = "\n".join(line.strip() for line in lines).strip()
    found = _BLOCK.fullmatch(mended)
    if not found or found[1] not in _KINDS or "-----" in found[2]:
        raise _no_key(mended)
    kind, body = found.groups()
    _check(kind, body)
    return f"{mended}\n"


def _no_key(text: str) -> UsageError:
    if len(_BEGIN.findall(text)) > 1:
        return _refused(
            "holds more than one key", "give one key, of a user that may read all that is fetched"
        )
    if text.startswith("PuTTY-User-Key-File"):
        return _refused(
            "is a key of PuTTY, which ssh can't read", "`puttygen KEY -O private-openssh -o FILE`"
        )
    if _PUBLIC.match(text):
        return _refused(
            "is the public half of a key", "give the private one: the file without `.pub` at its end"
        )
    if _BEGIN.match(text) and "\n" not in text:
        lost = "`\\n` in place of its line breaks" if "\\n" in text else "lost its line breaks"
        return _refused(f"has {lost}", _WHOLE)
    if _BEGIN.match(text):
        return _refused("is a private key whose end is missing, or has more behind it", _WHOLE)
    if _is_key(_decoded(text)):
        return _refused("is a key in Base64", "give the key itself: `base64 -d` gives it back")
    if "\n" not in text and re.match(r"[~./]|\w:[\\/]", text):
        return _refused(
            "is the name of a file", "give the text of the key, or name its file by --ssh-key-file"
        )
    return _refused("is no private key", _WHOLE)


def _is_key(data: bytes | None) -> bool:
    return bool(data and data.lstrip().startswith(b"-----BEGIN "))


def _check(kind: str, body: str) -> None:
    """UsageError where the block's content is encrypted or not whole."""
    if kind.startswith("ENCRYPTED") or "ENCRYPTED" in body.partition("\n\n")[0]:
        raise _with_passphrase()
    data = _decoded(body)
    if data is None:
        raise _damaged()
    if kind.startswith("OPENSSH"):
        _check_openssh(data)
    elif not data or _length_of_der(data) != len(data):
        raise _damaged()


def _check_openssh(data: bytes) -> None:
    fields = _Fields(data.removeprefix(_MAGIC))
    if not data.startswith(_MAGIC):
        raise _damaged()
    cipher, kdf = fields.text(), fields.text()
    if kdf == b"bcrypt":
        raise _with_passphrase()
    fields.text()
    if (cipher, kdf) != (b"none", b"none") or fields.number() != 1:
        raise _damaged()
    fields.text()
    private = _Fields(fields.text())
    # Two equal numbers show that it was decrypted rightly.
    if fields.rest or private.number() != private.number():
        raise _damaged()


class _Fields:
    """What is left of an encoding of RFC 4251, section 5; a UsageError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def _take(self, size: int) -> bytes:
        if len(self.rest) < size:
            raise _damaged()
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def text(self) -> bytes:
        return self._take(self.number())


def _length_of_der(data: bytes) -> int:
    """The length of the sequence that it begins with (X.690, section 8.1.3); 0 where it begins with none."""
    if len(data) < 2 or data[0] != 0x30:
        return 0
    size = data[1]
    if size < 0x80:
        return 2 + size
    count = size - 0x80
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        return None


def _with_passphrase() -> UsageError:
    return _refused("has a passphrase, and nobody is there to type it", _NEW_KEY)


def _damaged() -> UsageError:
    return _refused("is a private key that is damaged or cut", _WHOLE)


def _refused(why: str, hint: str) -> UsageError:
    return UsageError(why, hint=hint)
