"""What packages say of themselves (`meta`), by one expression over the derivations that an evaluation reaches.

Nixpkgs need not be found: what an attribute of a derivation is made from is a derivation with its own `meta`. A text that
a package is named in has lost its `meta`, so not all packages are reached.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.nix.licences import LICENCES_IN_NIX, Licence, read_licences

_MARK: Final = "flakeship-meta: "
_TRIES: Final = 8
_BEGINNING: Final = 60.0
"""Seconds until the first derivation is told: the flake itself is evaluated before."""
_PATIENCE: Final = 20.0
"""Seconds between two of them, after which the second look finds that nothing was told."""
_LIMIT: Final = 120.0

# A `throw` is caught by tryEval. An infinite recursion, an abort or a wrong type ends the whole evaluation: so each
# derivation is announced before it is looked at (M: its meta, W: what it is made from), and told as soon as it is
# known. The next try leaves out the one that was announced last.
# https://nix.dev/manual/nix/latest/language/builtins#builtins-tryEval
_QUESTION: Final = """package: let
  silent = builtins.fromJSON ''%(silent)s'';
  closed = builtins.fromJSON ''%(closed)s'';
  mark = "%(mark)s";
  tried = default: value:
    let result = builtins.tryEval value;
    in if result.success then result.value else default;
  plain = value: builtins.unsafeDiscardStringContext "${value}";
  text = value: tried "" (if builtins.isString value then plain value else "");
  isDerivation = value: tried false (builtins.isAttrs value && value.type or "" == "derivation" && value ? drvPath);
  list = value: tried [ ] (if builtins.isList value then value else [ value ]);
  texts = value: builtins.filter (word: word != "") (map text (list value));
  attributes = value: tried { } (if builtins.isAttrs value then value else { });
  wrapped = value: { key = tried "" (plain value.drvPath); inherit value; };
  isTree = value: tried false (builtins.isAttrs value && !(value ? outPath) && !(value ? __toString));
  below = value:
    if isDerivation value then [ value ]
    else if tried false (builtins.isList value) then builtins.concatLists (map below value)
    else if isTree value then below (values value)
    else [ ];
  values = set: map (name: set.${name}) (builtins.attrNames set);
  %(licences)s
  about = key: value: let
    meta = attributes (value.meta or { });
    identifiers = attributes (meta.identifiers or { });
    first = attributes (identifiers.v1 or { });
    output = name: text (value.${name}.outPath or "");
  in {
    inherit key;
    outputs = map output (texts (value.outputs or [ "out" ]));
    pname = text (value.pname or "");
    version = text (value.version or "");
    licenses = licencesOf (meta.license or [ ]);
    homepage = builtins.head (texts (meta.homepage or "") ++ [ "" ]);
    description = text (meta.description or "");
    position = text (meta.position or "");
    cpe = text (identifiers.cpe or first.cpe or "");
    possible = texts (map (each: if builtins.isAttrs each then each.cpe or "" else each)
      (list (identifiers.possibleCPEs or first.possibleCPEs or [ ])));
    purl = text (identifiers.purl or first.purl or "");
  };
  told = { key, value }:
    if builtins.elem key silent then null
    else builtins.trace "${mark}M ${key}" (builtins.trace (mark + builtins.toJSON (about key value)) null);
  inside = { key, value }:
    if builtins.elem key closed then [ ]
    else builtins.trace "${mark}W ${key}" (builtins.filter (each: each.key != "") (map wrapped (
      below (values (attributes (value.drvAttrs or { }))) ++ below (attributes (value.buildArgs or { })).contents or [ ]
      ++ builtins.filter isDerivation (list (value.paths or [ ]))
    )));
in builtins.length (builtins.genericClosure {
  startSet = builtins.filter (each: each.key != "") (map wrapped (below package));
  operator = item: builtins.seq (told item) (inside item);
})"""


@dataclass(frozen=True, slots=True)
class PackageMeta:
    """What a package says of itself; what it does not say is empty. `outputs` are its store paths.

    `cpe` is stated by its author, and `possible` are guesses of nixpkgs. `purl` is that of its source.
    """

    derivation: str = ""
    outputs: tuple[str, ...] = ()
    pname: str = ""
    version: str = ""
    licenses: tuple[Licence, ...] = ()
    homepage: str = ""
    description: str = ""
    position: str = ""
    cpe: str = ""
    possible: tuple[str, ...] = ()
    purl: str = ""


@dataclass(frozen=True, slots=True)
class FoundMeta:
    """What an evaluation told, by store path. `left_out` are derivations whose meta ended it; `whole` is False if it was cut short."""

    by_path: Mapping[str, PackageMeta] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    whole: bool = True


def package_meta(
    nix: Nix,
    installable: Installable,
    *,
    patience: float = _PATIENCE,
    limit: float = _LIMIT,
    clock: Callable[[], float] = time.monotonic,
) -> FoundMeta:
    """Evaluate the package, in a process of its own, and return what it and all that it is made from say of themselves.

    No failure is raised: a `meta` that throws, aborts, recurses for ever or takes longer than `patience` seconds costs
    itself alone, and after `limit` seconds what is known by then is returned.
    """
    silent: list[str] = []
    closed: list[str] = []
    known: dict[str, PackageMeta] = {}
    end = clock() + limit
    for _ in range(_TRIES):
        hearing = _Hearing(known)
        question, left = _question(silent, closed), end - clock()
        ended_well = _evaluated(nix, installable, question, hearing, patience=patience, left=left)
        if ended_well:
            return FoundMeta(_by_path(known), tuple(dict.fromkeys([*silent, *closed])))
        kind, _, key = hearing.last.partition(" ")
        culprits = {"M": silent, "W": closed}.get(kind)
        if culprits is None or key in culprits or clock() >= end:
            break
        culprits.append(key)
    return FoundMeta(_by_path(known), tuple(dict.fromkeys([*silent, *closed])), whole=False)


def _question(silent: list[str], closed: list[str]) -> str:
    words = {"silent": json.dumps(silent), "closed": json.dumps(closed)}
    return _QUESTION % {**words, "mark": _MARK, "licences": LICENCES_IN_NIX}


def _by_path(known: Mapping[str, PackageMeta]) -> dict[str, PackageMeta]:
    return {path: each for each in known.values() for path in each.outputs}


@dataclass(slots=True)
class _Hearing:
    """Takes the lines that Nix writes to stderr. `last` is the announcement after which nothing was told, empty after an answer."""

    known: dict[str, PackageMeta]
    last: str = ""
    heard: threading.Event = field(default_factory=threading.Event)

    def __call__(self, line: bytes) -> None:
        _, found, text = line.decode(errors="replace").partition(_MARK)
        if not found:
            return
        self.heard.set()
        if text[:2] in {"M ", "W "}:
            self.last = text
            return
        self.last = ""
        try:
            meta = read_meta(json.loads(text))
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        self.known[meta.derivation] = meta


def read_meta(answer: Mapping[str, Any]) -> PackageMeta:
    """Read one object that the expression tells."""
    return PackageMeta(
        derivation=answer["key"],
        outputs=tuple(filter(None, answer["outputs"])),
        pname=answer["pname"],
        version=answer["version"],
        licenses=read_licences(answer["licenses"]),
        homepage=answer["homepage"],
        description=answer["description"],
        position=answer["position"],
        cpe=answer["cpe"],
        possible=tuple(dict.fromkeys(answer["possible"])),
        purl=answer["purl"],
    )


def _evaluated(
    nix: Nix, installable: Installable, question: str, hearing: _Hearing, *, patience: float, left: float
) -> bool:
    """Evaluate once; False where Nix failed, or was ended because it told nothing for too long."""
    words = ("--json", "--apply", question, *installable.options, "--", installable.target)
    over, deadline = threading.Event(), time.monotonic() + left
    with nix.running("eval", *words, on_stderr=hearing, cwd=installable.cwd) as child:

        def end_when_silent() -> None:
            hearing.heard.wait(min(_BEGINNING, left))
            while not over.wait(max(0.0, min(patience, deadline - time.monotonic()))):
                if time.monotonic() >= deadline or not hearing.heard.is_set():
                    child.end()
                    return
                hearing.heard.clear()

        watcher = threading.Thread(target=end_when_silent, daemon=True)
        watcher.start()
        try:
            answer = child.stdout.read(1 << 10)
            return child.wait() == 0 and answer.strip().isdigit()
        finally:
            over.set()
            hearing.heard.set()
            watcher.join()
