"""One comment on a pull request that is kept up to date, by GitHub's REST API. Forgejo and Gitea have the same paths.

https://docs.github.com/rest/issues/comments: a pull request is an issue there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

BODY_LIMIT: Final = 65_536
"""Characters. GitHub refuses a longer comment with 422."""

_PULL: Final = re.compile(r"refs/pull/([0-9]+)/[a-z]+")
_PAGE: Final = 100
_PAGES: Final = 50
_OWN: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_DONE: Final = frozenset({200, 201})


class Answer(NamedTuple):
    """What the API answered: the status, the JSON of the body (None for anything else), and whether there is a next page."""

    status: int
    document: Any
    has_next: bool = False


Ask: TypeAlias = Callable[[str, str, Mapping[str, str] | None], Answer]
"""Sends METHOD, a path below the API's address, and an object as JSON. Raises errors.Error where no answer comes."""


class RefusedError(Exception):
    """The API refused. `status` is that of its answer, `message` what it said."""

    def __init__(self, status: int, message: str, doing: str) -> None:
        super().__init__(f"{status} to {doing}{f': {message}' if message else ''}")
        self.status, self.message = status, message


def number_of(ref: str) -> int | None:
    """Return the number of the pull request that a run is for; None for any other ref."""
    found = _PULL.fullmatch(ref)
    return int(found[1]) if found else None


def marker_of(workflow: str, image: str, identity: str) -> str:
    """Return the first line of a comment, which nobody sees and by which it is found again. `identity` is that of an image in its repository."""
    return f"<!-- flakeship: {quote(workflow, safe='')} {quote(image, safe='/:.')} {quote(identity, safe='')} -->"


def keep_comment(ask: Ask, repository: str, number: int, marker: str, text: str) -> bool:
    """Edit the comment that begins with `marker`, or write a new one; tell whether it is new. RefusedError if the API refuses.

    A comment that says the same already is left alone, and so is one that begins likewise and that a stranger wrote.
    """
    body = f"{marker}\n{text}"
    issue = f"repos/{repository}/issues"
    there = next(
        (comment for comment in _comments(ask, f"{issue}/{number}/comments") if _is_ours(comment, marker)),
        None,
    )
    if there is None:
        _done(ask("POST", f"{issue}/{number}/comments", {"body": body}), "write a comment")
        return True
    if there["body"] != body:
        _done(ask("PATCH", f"{issue}/comments/{there['id']}", {"body": body}), "edit a comment")
    return False


def _comments(ask: Ask, path: str) -> Iterator[Mapping[str, Any]]:
    """All comments, page by page. Forgejo gives all of them in the first."""
    for page in range(1, _PAGES + 1):
        answer = _done(ask("GET", f"{path}?per_page={_PAGE}&page={page}", None), "list the comments")
        if not isinstance(answer.document, list):
            raise RefusedError(answer.status, "what came is not a list", "list the comments")
        yield from (each for each in answer.document if isinstance(each, dict))
        if not answer.has_next:
            return
    raise RefusedError(200, f"there are more than {_PAGE * _PAGES}", "list the comments")


def _is_ours(comment: Mapping[str, Any], marker: str) -> bool:
    """Anybody may begin a comment with these words, and edit it later: what a bot or a member wrote is taken."""
    body, author, number = comment.get("body"), comment.get("user"), comment.get("id")
    if not isinstance(body, str) or not body.startswith(marker) or type(number) is not int:
        return False
    is_bot = isinstance(author, dict) and author.get("type") == "Bot"
    # Forgejo names neither, and shows the token of a job as a user of its own
    says_nothing = "author_association" not in comment
    return is_bot or says_nothing or comment.get("author_association") in _OWN


def _done(answer: Answer, doing: str) -> Answer:
    if answer.status in _DONE:
        return answer
    said = answer.document.get("message") if isinstance(answer.document, dict) else ""
    raise RefusedError(answer.status, said if isinstance(said, str) else "", doing)
