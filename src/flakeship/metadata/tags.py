"""Makes a tag of a rule and an event: https://github.com/docker/metadata-action#tags-input."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.expressions import date_names, global_names
from flakeship.metadata.flavor import Flavor
from flakeship.metadata.rules import Rule
from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.syntax.names import Names
from flakeship.metadata.syntax.templates import render
from flakeship.metadata.unfilled import unfilled
from flakeship.registry.reference import TAG_PATTERN

if TYPE_CHECKING:  # versions and patterns are read for the rules that have them
    from flakeship.metadata.syntax.versions import Version

_FORBIDDEN: Final = re.compile(r"[^a-zA-Z0-9._-]+")
_VERSION: Final = Placed("{{version}}")
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one rule: a tag, or "" and the reason. With `latest` the rule asks for the tag `latest` too.

    `surprising` marks a reason that becomes a warning, such as a version that is not one. `wanted` is the text that the
    user wrote, if the tag has dashes for characters of it.
    """

    rule: Rule
    tag: str = ""
    latest: bool = False
    reason: str = ""
    surprising: bool = False
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The input of every rule of a run. `prefix` and `suffix` are those of the flavor, their templates filled in."""

    context: Context
    flavor: Flavor
    nix: NixFacts | None
    names: Names
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    latest: bool = False


@dataclass(frozen=True, slots=True)
class _Nothing:
    reason: str
    surprising: bool = False


_Finding: TypeAlias = _Found | _Nothing


def scope(context: Context, flavor: Flavor, nix: NixFacts | None) -> Scope:
    """Fill in the flavor. UsageError, with line and column, for what is wrong in its templates."""
    names = global_names(context)
    return Scope(context, flavor, nix, names, render(flavor.prefix, names), render(flavor.suffix, names))


def sanitized(text: str) -> str:
    """Replace the characters that a tag can't have; the result may still begin with a dot or dash, or be too long."""
    return _FORBIDDEN.sub("-", text)


def apply(rule: Rule, scope: Scope) -> Outcome:
    """Apply one rule. UsageError, with line and column, for what is wrong in its templates and patterns."""
    enabled = _filled(rule, "enable", scope) if "enable" in rule.attributes else "true"
    if enabled not in {"true", "false"}:
        raise rule.error(
            "enable",
            f"enable is {enabled!r} in {rule}",
            "write true, false, or a template that gives one of them, such as {{is_default_branch}}",
        )
    if enabled == "false":
        return Outcome(rule, reason="it is not enabled")
    finding = _FINDERS[rule.type](rule, scope)
    if isinstance(finding, _Nothing):
        return Outcome(rule, reason=finding.reason, surprising=finding.surprising)
    text = _affixed(finding.text, rule, scope)
    if not text:
        return Outcome(rule, reason="it comes to an empty text")
    latest = finding.latest if scope.flavor.latest == "auto" else scope.flavor.latest == "true"
    written = _written(rule, scope)
    _check_filled(rule, written)
    other = any(map(_FORBIDDEN.search, written))
    return Outcome(rule, sanitized(text), latest, wanted=text if other else "")


def tag_defect(tag: str) -> str:
    """Return why registries refuse a sanitized tag, as the end of a sentence; "" for a valid tag."""
    if TAG_PATTERN.fullmatch(tag):
        return ""
    return f"has {len(tag)} characters, more than 128" if len(tag) > 128 else "begins with a dot or a dash"


def _written(rule: Rule, scope: Scope) -> list[str]:
    """What the user wrote of the tag as it stands: what a branch or a template gives has other characters often."""
    affixes = (("prefix", scope.flavor.prefix), ("suffix", scope.flavor.suffix))
    texts = [rule.attributes.get(key, of_all).text for key, of_all in affixes]
    texts += [rule.get("value")] if rule.type == "raw" else []
    return [_TEMPLATE.sub("", text) for text in texts]


# docs/decisions.md#a-text-that-is-no-tag
def _check_filled(rule: Rule, texts: Sequence[str]) -> None:
    """UsageError for what is left of a variable: all runs of a workflow would share such a tag."""
    for text in texts:
        part, hint = unfilled(text)
        if part:
            raise rule.error("value", f"{part} in {rule} is what is left of a value that is missing", hint)


def _filled(rule: Rule, key: str, scope: Scope) -> str:
    return render(rule.attributes[key], scope.names)


def _affixed(text: str, rule: Rule, scope: Scope) -> str:
    prefix = _filled(rule, "prefix", scope) if "prefix" in rule.attributes else scope.prefix
    suffix = _filled(rule, "suffix", scope) if "suffix" in rule.attributes else scope.suffix
    return prefix + text + suffix


def _schedule(rule: Rule, scope: Scope) -> _Finding:
    if not scope.context.schedule:
        return _Nothing("no schedule started this run")
    return _Found(render(rule.attributes["pattern"], date_names(scope.context)))


def _tag_or_value(rule: Rule, scope: Scope) -> str | None:
    if rule.get("value"):
        return _filled(rule, "value", scope)
    return scope.context.tag if scope.context.ref.startswith("refs/tags/") else None


def _version(
    rule: Rule, scope: Scope, *, parse: Callable[[str], Version | None], what: str
) -> _Found | _Nothing:
    raw = _tag_or_value(rule, scope)
    if raw is None:
        return _Nothing("the run is not for a tag")
    if rule.get("match"):
        raw = _first_group(rule, raw)
    raw = raw.replace("/", "-")
    version = parse(raw)
    if version is None:
        return _Nothing(f"{raw!r} is no {what}", surprising=True)
    pattern = rule.attributes["pattern"]
    if version.stable:
        return _Found(render(pattern, version.names), latest=True)
    from flakeship.metadata.syntax.handlebars import is_raw

    # docker/metadata-action fills a template for semver, which escapes; for pep440 it takes the text as it is:
    # https://github.com/docker/metadata-action/blob/master/src/meta.ts (procSemver, procPep440).
    if rule.type == "semver":
        return _Found(render(pattern if is_raw(pattern) else _VERSION, version.names))
    return _Found(raw if is_raw(pattern) else version.plain)


def _first_group(rule: Rule, raw: str) -> str:
    groups = _groups(rule, "match", raw)
    if groups is None:
        return raw
    if len(groups) < 2 or groups[1] is None:
        raise rule.error(
            "match",
            f"match={rule.get('match')} captures nothing of {raw!r}",
            "put the wanted part in parentheses",
        )
    return groups[1]


def _groups(rule: Rule, key: str, text: str) -> tuple[str | None, ...] | None:
    from flakeship.metadata.syntax.patterns import find_groups
    from flakeship.outside.patterns import TooSlowError

    try:
        return find_groups(rule.get(key), text, delimited=key == "pattern")
    except TooSlowError as error:
        hint = "write it without a repetition within a repetition, such as (a+)+"
        raise rule.error(key, f"{key}={rule.get(key):.200} {error}", hint) from None
    except ValueError as error:
        message = f"{key}={rule.get(key):.200} is not a regular expression: {error}"
        raise rule.error(
            key,
            message,
            f'write it as in JavaScript; one with a comma: "type={rule.type},""{key}=a{{1,2}}"""',
        ) from None


def _semver(rule: Rule, scope: Scope) -> _Finding:
    from flakeship.metadata.syntax.versions import parse_semver

    return _version(rule, scope, parse=parse_semver, what="semantic version (https://semver.org)")


def _pep440(rule: Rule, scope: Scope) -> _Finding:
    from flakeship.metadata.syntax.versions import parse_pep440

    return _version(rule, scope, parse=parse_pep440, what="version of PEP 440")


def _match(rule: Rule, scope: Scope) -> _Finding:
    raw = _tag_or_value(rule, scope)
    if raw is None:
        return _Nothing("the run is not for a tag")
    groups = _groups(rule, "pattern", raw)
    if groups is None:
        return _Nothing(f"{rule.get('pattern')} does not match {raw!r}", surprising=True)
    wanted = rule.get("group")
    text = dict(zip(map(str, range(len(groups))), groups, strict=True)).get(wanted)
    if text is None:
        return _Nothing(f"group {wanted} of {rule.get('pattern')} is not in {raw!r}", surprising=True)
    return _Found(text, latest=True)


def _edge(rule: Rule, scope: Scope) -> _Finding:
    wanted = rule.get("branch") or scope.context.repository.default_branch
    if not scope.context.ref.startswith("refs/heads/"):
        return _Nothing("the run is not for a branch")
    if scope.context.branch != wanted:
        return _Nothing(f"this is not the branch {wanted!r}" if wanted else "the default branch is not known")
    return _Found("edge")


def _ref(rule: Rule, scope: Scope) -> _Finding:
    context = scope.context
    match rule.get("event"):
        case "branch":
            return (
                _Found(context.branch)
                if context.ref.startswith("refs/heads/")
                else _Nothing("the run is not for a branch")
            )
        case "tag":
            return (
                _Found(context.tag, latest=True)
                if context.ref.startswith("refs/tags/")
                else _Nothing("the run is not for a tag")
            )
        case _:
            is_pull = context.ref.startswith(("refs/pull/", "refs/merge-requests/"))
            return (
                _Found(context.pull_request)
                if is_pull
                else _Nothing("the run is not for a pull or merge request")
            )


def _raw(rule: Rule, scope: Scope) -> _Finding:
    return _Found(_filled(rule, "value", scope))


def _sha(rule: Rule, scope: Scope) -> _Finding:
    context = scope.context
    if not context.sha:
        return _Nothing("the commit is unknown")
    return _Found(context.short_sha if rule.get("format") == "short" else context.sha)


def _nix(rule: Rule, scope: Scope) -> _Finding:
    if scope.nix is None:
        return _Nothing("nothing has been built yet")
    wanted = rule.get("value")
    facts = {"hash": scope.nix.output_hash, "version": scope.nix.version, "name": scope.nix.name}
    if facts[wanted]:
        return _Found(facts[wanted])
    why = f": {scope.nix.hash_unknown}" if wanted == "hash" and scope.nix.hash_unknown else ""
    return _Nothing(f"the build has no {wanted}{why}", surprising=True)


_FINDERS: Final[Mapping[str, Callable[[Rule, Scope], _Finding]]] = {
    "schedule": _schedule,
    "semver": _semver,
    "pep440": _pep440,
    "match": _match,
    "edge": _edge,
    "ref": _ref,
    "raw": _raw,
    "nix": _nix,
    "sha": _sha,
}
