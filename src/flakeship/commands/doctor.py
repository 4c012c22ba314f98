"""The command `doctor`: looks at whatever a publish would need, with the inputs of a publish, and says what to do."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import __version__, events
from flakeship.ci.platforms import current_platform
from flakeship.commands.naming import NamingRequest, naming_of
from flakeship.commands.nix_facts import facts_before_build
from flakeship.commands.publish.disk_space import LEAST
from flakeship.commands.publish.opening import DestinationRequest, opened
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.subject import subject_of
from flakeship.destinations.kind import Target
from flakeship.destinations.registry import Repository
from flakeship.errors import DOCS, Error, RejectedError
from flakeship.redaction import redacted_result
from flakeship.registry.reference import Reference
from flakeship.report.findings import Finding, findings_json, findings_text
from flakeship.settings.declaration import Settings
from flakeship.store_paths import STORE

if TYPE_CHECKING:
    from flakeship.commands.building.builder import Builder

_SKEW: Final = 60
"""Seconds by which a clock may be wrong: tokens and signatures bear it."""

_SHOWN: Final = 5


def run(settings: Settings, runtime: Runtime) -> str:
    """Make every check, and return what they found. Where one failed it is printed, and RejectedError; JSON is returned."""
    with open_run(settings, runtime) as run_:
        findings = _each_once(finding for check in _CHECKS for finding in _guarded(check, settings, run_))
    findings = [each.spelled(runtime.spelled) for each in findings]
    if settings.json:
        return findings_json(findings)
    failed = sum(finding.state == "error" for finding in findings)
    if failed:
        noun = "check" if failed == 1 else "checks"
        _print(findings_text(findings), runtime)
        raise RejectedError(f"{failed} {noun} failed", hint="do what stands below each of them, on stdout")
    return findings_text(findings)


def _each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Without what two checks have in common: where Nix lacks, all that need it end in one error."""
    kept: dict[tuple[str, str], Finding] = {}
    for each in findings:
        kept.setdefault((each.text, each.hint), each)
    return list(kept.values())


def _print(text: str, runtime: Runtime) -> None:
    """Print what an error can't return, where the result of a run stands that ends well."""
    shown = current_platform(runtime.environ).safe_on_stdout(redacted_result(text))
    runtime.stdout.write(f"{shown}\n".encode(errors="surrogateescape"))
    runtime.stdout.flush()


def _guarded(
    check: Callable[[Settings, Run], Iterator[Finding]], settings: Settings, run_: Run
) -> Iterator[Finding]:
    """A check that ends in an error has found one."""
    found = check(settings, run_)
    while True:
        try:
            yield next(found)
        except StopIteration:
            return
        except Error as error:
            said = error.detail.strip().rpartition("\n")[2]  # a table has a line for what a log has pages for
            new = said.removeprefix("error: ") not in error.message
            text = f"{error.message}: {said:.300}" if new else error.message
            yield Finding(check.__name__.strip("_").replace("_", " "), "error", text, error.hint)
            return


def _versions(_settings: Settings, _run: Run) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(
        "versions",
        "ok",
        f"flakeship {__version__}, Python {python}, {platform.system()} {platform.release()} {platform.machine()}",
    )
    if shutil.which("git"):
        yield Finding("git", "ok", "git is in PATH")
    else:
        yield Finding(
            "git",
            "warning",
            "there is no git in PATH",
            "install git: Nix needs it for a flake in a repository",
        )


def _nix(settings: Settings, run_: Run) -> Iterator[Finding]:
    if settings.source:
        return
    from flakeship.nix.configuration import may_choose_substituters, uses_daemon
    from flakeship.nix.configuration import settings as nix_settings

    builder = run_.builder
    nix = builder.nix
    daemon = uses_daemon(nix, nix_settings(nix))
    yield Finding("nix", "ok", f"{nix.release}, {'a daemon builds' if daemon else 'this user builds'}")
    if may_choose_substituters(nix):
        yield Finding("trust", "ok", "Nix takes the binary caches that this user names")
    else:
        yield Finding(
            "trust",
            "warning",
            "the daemon ignores binary caches that this user names",
            "add the user to `trusted-users` in /etc/nix/nix.conf, or the caches to `trusted-substituters`",
        )
    yield _isolation(builder)
    confined = run_.confinement.in_namespaces
    yield Finding(
        "scripts",
        "ok" if confined else "warning",
        "scripts of a flake run in namespaces of their own"
        if confined
        else "this machine allows no namespaces",
        ""
        if confined
        else f"read what scripts of a flake can read then: {DOCS}/security.md#a-script-that-is-executed",
    )


def _isolation(builder: Builder) -> Finding:
    """Whether builds are isolated here; for a far store, whether it is there."""
    if builder.far:
        try:
            told = builder.ready()
        except Error as error:
            return Finding("store", "error", error.message, error.hint)
        return Finding("store", "ok", told)
    state = builder.sandbox
    return Finding(
        "sandbox",
        "ok" if state.holds else "warning",
        str(state).removeprefix("sandbox: "),
        ""
        if state.holds
        else f"read what a build can read then: {DOCS}/security.md#a-builder-without-a-sandbox",
    )


def _builders(settings: Settings, run_: Run) -> Iterator[Finding]:
    if settings.source or not settings.builders:
        return
    from flakeship.nix.elsewhere import TRUST_HINT

    for answer in run_.builder.ask_machines():
        failure, wary = answer.failure, answer.trusted is False
        yield Finding(
            f"builder {answer.machine}",
            "error" if failure else "warning" if wary else "ok",
            failure.why if failure else "it does not trust its user" if wary else "Nix answers there",
            failure.hint if failure else TRUST_HINT if wary else "",
        )


def _flake(settings: Settings, run_: Run) -> Iterator[Finding]:
    if settings.source:
        return
    from flakeship.nix.untracked import untracked_files

    buildables = subject_of(settings, run_).buildables
    files = untracked_files(buildables[0].installable, environ=run_.runtime.environ)
    if files:
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        yield Finding(
            "files",
            "warning",
            f"git does not track {', '.join(files[:_SHOWN])}{more}, so Nix does not see them",
            "run `git add --intent-to-add FILE` for those that the flake needs; name what is built, such as image.tar, in .gitignore",
        )
    for each in buildables:  # one for each platform
        made = " ".join(each.description().paths) or "a path that only a build can tell"
        yield Finding("flake", "ok", f"{each} evaluates to {made}")


def _destinations(settings: Settings, run_: Run) -> Iterator[Finding]:
    request = DestinationRequest.of(settings, run_)
    naming = naming_of(
        NamingRequest.of(settings, run_.event, run_.runtime.environ),
        emit=events.ignore,
        nix=lambda: facts_before_build(subject_of(settings, run_), run_.runtime.cwd),
    )
    for target in request.targets(naming.references):
        yield from _target(target, request, run_)


def _target(target: Target, request: DestinationRequest, run_: Run) -> Iterator[Finding]:
    with_credentials = ""
    options = request.options
    if not isinstance(target, Repository):
        options = replace(options, dry_run=True)  # a folder is looked at, and not begun
    else:
        reference = Reference(target.registry, target.repository)
        found = run_.connections.credentials_for(reference)
        with_credentials = f"with {found.source}" if found.credentials else "without credentials"
        yield from _clock(reference, run_)
    try:
        with opened(target, options) as place:
            yield Finding(
                "destination", "ok", ", ".join(filter(None, (f"{place.name} takes images", with_credentials)))
            )
    except Error as error:
        told = with_credentials.removeprefix("with ") in error.message
        asked = "" if told else f" (asked {with_credentials})"
        yield Finding("destination", "error", f"{error.message}{asked}", error.hint)


def _clock(reference: Reference, run_: Run) -> Iterator[Finding]:
    """Compare this machine's clock with that of the registry: tokens are refused by a wrong one."""
    theirs = next(
        filter(
            None,
            (
                _date_at(f"{scheme}://{reference.registry}/v2/", run_)
                for scheme in run_.connections.session.schemes(reference.registry)
            ),
        ),
        None,
    )
    if theirs is None:  # whether it answers is the next check's
        return
    skew = round(run_.runtime.now.timestamp() - theirs)
    if abs(skew) <= _SKEW:
        yield Finding("clock", "ok", f"this machine's clock agrees with that of {reference.registry}")
    else:
        way = "ahead of" if skew > 0 else "behind"
        yield Finding(
            "clock",
            "warning",
            f"this machine's clock is {abs(skew)} s {way} that of {reference.registry}",
            "set the clock, for instance by `timedatectl set-ntp true`: registries refuse tokens when it is wrong",
        )


def _date_at(url: str, run_: Run) -> float | None:
    """The date of an answer, in seconds since 1970; None where there is no answer or no date in it."""
    try:
        with run_.connections.session.exchange("GET", url, headers={}, timeout=10) as answer:
            return parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (Error, ValueError):
        return None


def _disk(settings: Settings, run_: Run) -> Iterator[Finding]:
    folder = run_.runtime.temporary or run_.runtime.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    elsewhere = "set TMPDIR to a folder on a larger disk"
    yield _free(
        str(folder),
        "where layers are packed",
        f"free some space, or {elsewhere}",
        f"{elsewhere}, which a large image needs",
    )
    if not (settings.source or settings.store) and Path(STORE).is_dir():
        collect = "run `nix-collect-garbage`, which removes what nothing needs"
        yield _free(STORE.rstrip("/"), "where Nix keeps what it builds", collect, collect)


def _free(folder: str, what_for: str, for_little: str, for_some: str) -> Finding:
    free = shutil.disk_usage(folder).free
    amount = f"{free / 1e9:,.1f} GB" if free >= 1e9 else f"{free / 1e6:,.0f} MB"
    text = f"{amount} are free in {folder}, {what_for}"
    if free < LEAST:
        return Finding("disk", "error", text, for_little)
    if free < 16 * LEAST:
        return Finding("disk", "warning", text, for_some)
    return Finding("disk", "ok", text)


_CHECKS: Final = (_versions, _disk, _nix, _builders, _flake, _destinations)
