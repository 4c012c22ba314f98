"""The input `pr-comment`: one comment for each image on the pull request that the run is for. It never fails a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.ci.github.comments import (
    BODY_LIMIT,
    Answer,
    RefusedError,
    keep_comment,
    marker_of,
    number_of,
)
from flakeship.commands.publish.before import ImagesBefore, images_before
from flakeship.commands.publish.outputs import not_pushed, references
from flakeship.commands.run import Run
from flakeship.destinations.registry.existing import existing_images
from flakeship.destinations.withheld import DRY_RUN
from flakeship.errors import Error, UnreachableError
from flakeship.http.origin import Origin
from flakeship.metadata.tags import sanitized
from flakeship.printable import one_line
from flakeship.registry.reference import Reference
from flakeship.report.comment import CommentedImage, comment_text

if TYPE_CHECKING:
    from flakeship.commands.publish.compared import Compared
    from flakeship.http.transport import Transport

_PLATFORMS: Final = frozenset({"github", "forgejo"})
_SECONDS: Final = 15.0
_LIMIT: Final = 8 << 20
_NEXT: Final = re.compile(r'rel="?next"?')
_PERMISSION: Final = (
    "add `pull-requests: write` to `permissions` of the job, beside `contents: read` and `packages: write`"
)


def base_of_pull_request(made: Compared, run_: Run) -> ImagesBefore | None:
    """Return the image that the target branch has, under the name of the branch; None where it has none for the same platforms.

    If it was not read before, its registry is asked for it: that is what the input costs.
    """
    number = number_of(run_.event.ref)
    branch = sanitized(run_.event.base_ref) if number else ""
    names = _names_of_base(made, number, branch) if branch else []
    if found := images_before(made.images, names, made.existing):
        return found
    for name in names:
        reference = Reference.parse(name)
        client = run_.connections.client(reference, actions="pull")
        there = existing_images(client, [reference.tag or ""], run_.emit)
        if found := images_before(made.images, [name], there):
            return found
    return None


def _names_of_base(made: Compared, number: int | None, branch: str) -> list[str]:
    """What the target branch calls this image: its tags with the branch for `pr-7`, whatever stands around it, then the branch alone."""
    around = [f"{name}:{begin}{branch}{end}" for name, begin, end in _affixes(made, number)]
    places = [place.destination for place in made.published if place.in_registry]
    return list(dict.fromkeys([*around, *(f"{place}:{branch}" for place in places)]))


def _affixes(made: Compared, number: int | None) -> Iterator[tuple[str, str, str]]:
    """The name of each tag that holds `pr-7`, with what stands before it and behind it."""
    for place in made.published:
        for each in place.tags:
            name, _, tag = each.rpartition(":")
            if found := re.fullmatch(rf"(.*?)pr-{number}(|[^0-9].*)", tag):
                yield name, found[1], found[2]


def _identity(attribute: str, made: Compared, number: int) -> str:
    """What tells two images of one repository apart in every run: the attribute, and what stands around the number in the tag."""
    affixes = next((begin + end for _, begin, end in _affixes(made, number)), "")
    return " ".join(filter(None, (attribute, affixes)))


def comment(made: Mapping[str, Compared], token: str, run_: Run, *, dry_run: bool) -> None:
    """Write or edit the comment of each image. Whatever goes wrong is told, and the images are where they are."""
    event = run_.event
    number = number_of(event.ref)
    why = DRY_RUN if dry_run else _no_comment(made, number, token, run_)
    if why or number is None:
        run_.emit(events.Notice(f"`pr-comment`: no comment is written: {why}"))
        return
    environ = run_.runtime.environ
    base = (environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/")
    workflow = environ.get("GITHUB_WORKFLOW", "")
    ask = _Api(run_.connections.session, base, token)
    titles = titles_of(made)
    for attribute, each in made.items():
        name = titles[attribute]
        marker = marker_of(workflow, _name(attribute, each), _identity(attribute, each, number))
        text = comment_text(_commented(name, each, event.run_url), BODY_LIMIT - 1_000)
        try:
            is_new = keep_comment(ask, event.repository.full_name, number, marker, text)
        except RefusedError as error:
            run_.emit(_refused(error, from_fork=event.from_outside))
            return
        except Error as error:
            run_.emit(
                events.Warned(
                    f"`pr-comment`: no comment is written: {error.message}", error.hint or "run the job again"
                )
            )
            return
        run_.emit(
            events.Notice(
                f"a comment on pull request {number} {'says' if is_new else 'was brought up to date, and says'} what changed in {name}"
            )
        )


def _no_comment(made: Mapping[str, Compared], number: int | None, token: str, run_: Run) -> str:
    """Say why nothing can be written; empty where it can."""
    event = run_.event
    if event.platform not in _PLATFORMS:
        return "only GitHub and Forgejo have such comments, and this run is on neither"
    if number is None:
        return f"this run is not for a pull request, but for the event {event.event or '(unknown)'}"
    if not token:
        return "there is no token; set `github-token: ${{ github.token }}`"
    if all(each.is_leg for each in made.values()):
        return (
            "an image that is pushed by its digest is one platform of several; give `pr-comment` to `merge`"
        )
    return ""


def _refused(error: RefusedError, *, from_fork: bool) -> events.Event:
    told = f"`pr-comment`: no comment is written: the API answered {one_line(str(error))}"
    if error.status == 429 or "rate limit" in error.message.lower():  # GitHub says 403 of it too
        return events.Warned(told, "run the job again later: the token has asked too often")
    if from_fork and error.status in {401, 403, 404}:
        return events.Notice(
            f"{told}; a pull request from a fork gets a token that may only read, which is as it should be"
        )
    if error.status in {403, 404}:
        return events.Warned(told, _PERMISSION)
    if error.status == 401:
        return events.Warned(told, "set `github-token: ${{ github.token }}`, or a token that is valid")
    return events.Warned(told, "run the job again")


def titles_of(made: Mapping[str, Compared]) -> dict[str, str]:
    """How the comment of each attribute is headed: by the repository, and by the attribute too if others are in that repository."""
    names = {attribute: _name(attribute, each) for attribute, each in made.items()}
    several = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {
        attribute: f"{name} ({attribute})" if name in several else name for attribute, name in names.items()
    }


def _name(attribute: str, made: Compared) -> str:
    """The repository, as all know the image; else the attribute."""
    return next((place.destination for place in made.published if place.in_registry), attribute)


def _commented(name: str, made: Compared, run_url: str) -> CommentedImage:
    changes = made.changes
    return CommentedImage(
        name,
        references(made.published),
        not_pushed(made.published),
        changes.name if changes else "",
        changes.platforms if changes else (),
        run_url,
    )


@dataclass(frozen=True, slots=True)
class _Api:
    session: Transport
    base: str
    token: str = field(repr=False)

    def __call__(self, method: str, path: str, document: Mapping[str, str] | None) -> Answer:
        """Errors as by `Transport.exchange`; UnreachableError where the token would be sent without TLS."""
        origin = Origin.of(self.base)
        if origin.scheme not in self.session.schemes(origin.authority):
            raise UnreachableError(
                f"{origin} would get the token without TLS",
                hint="set GITHUB_API_URL to an address with https",
            )
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        }
        body = json.dumps(document).encode() if document is not None else None
        url = f"{self.base}/{path}"
        with self.session.exchange(method, url, headers=headers, body=body, timeout=_SECONDS) as response:
            has_next = bool(_NEXT.search(response.headers.get("Link", "")))
            data = response.read(_LIMIT)
        return Answer(response.status, _json(data), has_next)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
