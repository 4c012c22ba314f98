"""One machine that builds for this one, as a line of Nix's setting `builders` describes it.

https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-builders
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from flakeship.errors import UsageError
from flakeship.nix.machine import Address, Machine, new_alias
from flakeship.nix.ssh_hosts import is_host_key

WHERE: Final = "builders"
_SYSTEM: Final = re.compile(r"[a-z0-9_]+-[a-z0-9_]+")
_FEATURE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:-]*")
_FIELDS: Final = ("systems", "key", "jobs", "speed", "features", "mandatory", "host key")
_HINT: Final = (
    "write `HOST SYSTEMS KEY JOBS SPEED FEATURES MANDATORY HOST-KEY`, and `-` for what is left open: "
    "`nix@b1.example x86_64-linux - 4`"
)


@dataclass(frozen=True, slots=True)
class RemoteBuilder:
    """`systems` is empty where it builds for the system of this machine. The rest is as Nix has it: `jobs` at a time, `speed` as it
    was written, and features, of which a build needs all `mandatory` ones.
    """

    machine: Machine
    systems: tuple[str, ...] = ()
    jobs: str = "1"
    speed: str = "1"
    features: tuple[str, ...] = ()
    mandatory: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Its line for a Nix that has our ssh_config, in which the key and the host's key are."""
        return self._line(self.machine.store, "-", "-")

    def line_for_daemon(self, key: Path | None, host_key: str) -> str:
        """Its line for a daemon, which knows nothing of our ssh_config: it is told the file of the key and the host's key."""
        address = self.machine.address
        store = f"ssh-ng://{address}" + (f"?{address.query}" if address.query else "")
        encoded = base64.b64encode(host_key.encode()).decode() if host_key else "-"
        return self._line(store, str(key or "-"), encoded)

    @property
    def stores(self) -> tuple[str, str]:
        """The names by which Nix speaks of it: with our ssh_config, and as a daemon was told."""
        return self.line.split()[0], self.line_for_daemon(None, "").split()[0]

    def _line(self, store: str, key: str, host_key: str) -> str:
        lists = (",".join(names) or "-" for names in (self.systems, self.features, self.mandatory))
        systems, features, mandatory = lists
        return f"{store} {systems} {key} {self.jobs} {self.speed} {features} {mandatory} {host_key}"


def parse_builders(lines: Sequence[str], texts: Mapping[str, str]) -> tuple[RemoteBuilder, ...]:
    """Read the input `builders`. `texts` has the text of each file that `files_of` names.

    UsageError for a field that Nix would refuse or pass over, and for a machine that is named twice.
    """
    builders: list[RemoteBuilder] = []
    for words in _entries(lines, texts):
        builder = _parse(words, [each.machine.alias for each in builders])
        for other in builders:
            if _place(other) == _place(builder):
                raise UsageError(
                    f"{WHERE}: {builder.machine} is named twice",
                    hint="write one line for each machine, with all its systems: `HOST x86_64-linux,i686-linux`",
                )
        builders.append(builder)
    return _with_whole_speeds(builders)


def _with_whole_speeds(builders: Sequence[RemoteBuilder]) -> tuple[RemoteBuilder, ...]:
    """Speeds count only beside each other, and Nix before 2.20 reads no fraction."""
    places = max((len(each.speed.partition(".")[2]) for each in builders), default=0)
    return tuple(replace(each, speed=f"{float(each.speed) * 10**places:.0f}") for each in builders)


def files_of(lines: Sequence[str]) -> tuple[str, ...]:
    """The names of the files that these lines refer to by `@FILE`."""
    return tuple(entry[1:].strip() for line in lines for entry in _split(line) if entry.startswith("@"))


def _entries(lines: Sequence[str], texts: Mapping[str, str]) -> Iterator[list[str]]:
    for line in lines:
        for entry in _split(line):
            if not entry.startswith("@"):
                yield entry.split()
            elif (name := entry[1:].strip()) in texts:
                yield from _entries(texts[name].splitlines(), {})
            else:
                raise UsageError(
                    f"{WHERE}: a file names the file {name}, which is not read",
                    hint="write its lines into the first",
                )


def _split(line: str) -> Iterator[str]:
    """Entries of one line; a comment stands on its own, or behind an entry."""
    for entry in re.sub(r"(^|\s)#.*", "", line).split(";"):
        if entry.strip():
            yield entry.strip()


def _parse(words: Sequence[str], taken: Sequence[str]) -> RemoteBuilder:
    address = Address.parse(words[0], WHERE)
    if len(words) > 1 + len(_FIELDS):
        raise UsageError(
            f"{WHERE}: the line of {address} has {len(words)} fields, and 8 are known", hint=_HINT
        )
    given = dict(zip(_FIELDS, words[1:], strict=False))
    fields = {name: value for name, value in given.items() if value != "-"}
    machine = Machine(
        address,
        new_alias(address, taken),
        key=Path(fields["key"]) if "key" in fields else None,
        host_key=_host_key(address, fields.get("host key", "")),
    )
    return RemoteBuilder(
        machine,
        systems=_listed(address, "systems", fields, _SYSTEM),
        jobs=_number(address, "jobs", fields, r"[1-9][0-9]{0,3}"),
        speed=_number(address, "speed", fields, r"[0-9]{1,4}(?:\.[0-9]{1,4})?"),
        features=_listed(address, "features", fields, _FEATURE),
        mandatory=_listed(address, "mandatory", fields, _FEATURE),
    )


def _listed(
    address: Address, name: str, fields: Mapping[str, str], pattern: re.Pattern[str]
) -> tuple[str, ...]:
    text = fields.get(name, "")
    if text.endswith(",") and name != tuple(fields)[-1]:
        raise _refused(address, name, text, "a list without blanks: what follows the comma is another field")
    names = tuple(part for part in text.split(",") if part)
    for each in names:
        if not pattern.fullmatch(each):
            raise _refused(
                address,
                name,
                each,
                "written like x86_64-linux" if pattern is _SYSTEM else "the name of a feature",
            )
    return names


def _number(address: Address, name: str, fields: Mapping[str, str], pattern: str) -> str:
    text = fields.get(name, "1")
    if not re.fullmatch(pattern, text) or not float(text):
        raise _refused(address, name, text, "a number above 0")
    return text


def _host_key(address: Address, text: str) -> str:
    """`TYPE KEY` of a field that is Base64 of a line of /etc/ssh/ssh_host_*_key.pub."""
    if not text:
        return ""
    try:
        words = base64.b64decode(text, validate=True).decode().split()
    except (binascii.Error, ValueError):
        words = []
    if len(words) < 2 or not is_host_key(words[0], words[1]):
        raise UsageError(
            f"{WHERE}: the eighth field of {address} is no host key in Base64",
            hint="write what `base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub` prints on that machine, or leave it out and give "
            "a line of `ssh-known-hosts`",
        )
    return " ".join(words[:2])


def _refused(address: Address, name: str, text: str, wanted: str) -> UsageError:
    number = 2 + _FIELDS.index(name)
    return UsageError(
        f"{WHERE}: field {number} of {address} ({name}) has {text[:40]!r}, which is not {wanted}", hint=_HINT
    )


def _place(builder: RemoteBuilder) -> tuple[str, str, int]:
    address = builder.machine.address
    return address.user, address.host.lower(), address.port or 22
