"""What we promise of a push, which tests hold it, and the figures of the last run: what docs/reliability.md is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.named import link

ROOT: Final = Path(__file__).parent.parent.parent
PAGE: Final = ROOT / "docs/reliability.md"
FIGURES: Final = ROOT / "docs/reliability.json"
"""By the name of a measurement: its `figures` by name, and the `date` and `version` of the run."""


@dataclass(frozen=True, slots=True)
class Promise:
    """`tests` are files below `tests` with the name of a function; `figures` are names in FIGURES."""

    words: str
    tests: tuple[str, ...]
    figures: tuple[str, ...] = ()


_SINGLE: Final = "faults/test_single_faults.py::"
_ENDED: Final = "faults/test_interruptions.py::"
_CHANCE: Final = "faults/test_random_faults.py::"
_HOSTILE: Final = "e2e/test_hostile_hosts.py::test_nothing_goes_astray"

PROMISES: Final = (
    Promise(
        "No name ever leads to an image of which a part is missing, whatever ended the push.",
        (f"{_ENDED}test_a_killed_push_is_made_whole_by_the_next", f"{_ENDED}test_killed_at_every_request"),
        ("killed", "tags on a part of an image"),
    ),
    Promise(
        "Names are set last, after all that they lead to, and are asked for afterwards.",
        (
            "destinations/test_registry_push.py::test_tags_come_last",
            "destinations/test_registry_refusals.py::test_a_server_that_accepts_everything_and_keeps_nothing_is_found_out",
        ),
    ),
    Promise(
        "A push survives any one fault that passes.",
        (f"{_SINGLE}test_one_fault", f"{_SINGLE}test_one_fault_of_many"),
        ("single faults", "before `crane registry serve`"),
    ),
    Promise(
        "A push survives requests that fail by chance.",
        (f"{_CHANCE}test_a_few_pushes_with_one_fault_in_ten_requests", f"{_CHANCE}test_two_hundred_pushes"),
        ("one request in a hundred fails", "one request in twenty fails"),
    ),
    Promise(
        "The push after one that was ended sends what the registry has not, and nothing else.",
        (f"{_ENDED}test_a_killed_push_is_made_whole_by_the_next", f"{_ENDED}test_cancelled_at_every_request"),
        ("sent by the next push beyond what was missing",),
    ),
    Promise(
        "What the registry has is not sent.",
        (
            "destinations/test_registry_push.py::test_a_second_push_sends_nothing",
            "e2e/test_reuse.py::test_an_identical_push_takes_ten_requests_at_most",
        ),
        ("a second push",),
    ),
    Promise(
        "Memory does not grow with a layer.",
        (
            "image/test_memory.py::test_flat_in_the_size_of_a_layer",
            "e2e/test_memory.py::test_of_a_ready_image",
            "e2e/test_memory.py::test_of_a_layer_of_eight_gigabytes",
        ),
        ("a layer of 256 MiB", "a layer of 8 GiB"),
    ),
    Promise(
        "No secret is in a log, an output, an argument, a file or the environment of a program.",
        ("e2e/test_canary.py::test_no_secret_is_left_or_shown", f"{_SINGLE}test_one_fault"),
        ("runs that showed a secret",),
    ),
    Promise(
        "Credentials go to their registry and to the token server that it names, if that is as public.",
        (_HOSTILE, "registry/test_authorization.py::test_credentials_go_to_their_own_origin_alone"),
    ),
    Promise("Nothing goes over plain http that nobody asked for.", (_HOSTILE,)),
    Promise(
        "A refusal ends the push soon, and no password is tried again and again.",
        (f"{_SINGLE}test_one_fault", "registry/test_authorization.py::test_basic_is_not_asked_twice"),
        ("401 for ever", "no right to push"),
    ),
    Promise(
        "A registry that asks to wait is waited for, up to five minutes.",
        (
            f"{_SINGLE}test_one_fault",
            "destinations/test_registry_faults.py::test_a_wait_that_is_too_long_fails_at_once_and_names_it",
        ),
        ("429 with Retry-After: 2 for the data",),
    ),
    Promise(
        "Who cancels a push is obeyed within two seconds, and no upload is left open.",
        (
            f"{_ENDED}test_a_cancelled_push_ends_at_once_and_leaves_no_part",
            f"{_ENDED}test_a_cancelled_push_ends_its_sessions",
            f"{_ENDED}test_cancelled_at_every_request",
        ),
        ("cancelled", "the slowest end", "upload sessions left open"),
    ),
    Promise(
        "Several pushes of one name at once all succeed, and the name leads to one of their images.",
        (f"{_CHANCE}test_several_pushes_of_one_name_at_once",),
        ("eight at once",),
    ),
    Promise(
        "What is described is what is sent, and the same input gives the same digest.",
        (
            "e2e/test_bytes.py::test_layers_are_those_that_nix_made",
            "e2e/test_bytes.py::test_one_core_or_all_of_them",
            "e2e/test_bytes.py::test_over_an_earlier_image_as_from_nothing",
        ),
    ),
    Promise("Every document that we write is valid.", ("e2e/test_bytes.py::test_every_document_is_valid",)),
    Promise(
        "A failure says what failed, why, and what to do; its class is the exit code.",
        (
            "e2e/test_refusals.py::test_a_bad_input_ends_in_one_error",
            "test_errors.py::test_every_error_has_a_hint",
        ),
    ),
    Promise(
        "Hostile input ends in an error, soon and in little memory.",
        (
            "faults/test_fuzzing.py::test_odd_input_ends_in_an_error_of_ours",
            "faults/test_fuzzing.py::test_a_minute_of_each",
        ),
        ("inputs", "crashes", "hangs", "the slowest input", "the most memory"),
    ),
    Promise(
        "What a stranger proposes is pushed nowhere.",
        (
            "e2e/test_github_pushing.py::test_a_fork_is_built_and_checked_and_not_pushed_and_one_notice_says_so",
        ),
    ),
    Promise(
        "A release names the image of the action by its digest.",
        ("e2e/test_workflows.py::test_a_release_names_its_image_by_digest",),
    ),
    Promise(
        "On a line of 10 kB/s with six megabytes on their way a layer is sent once.",
        (f"{_CHANCE}test_a_slow_line_with_a_deep_queue",),
        ("a slow line",),
    ),
)


def known_figures() -> dict[str, dict[str, Any]]:
    """What FIGURES holds."""
    found: dict[str, dict[str, Any]] = json.loads(FIGURES.read_text())
    return found


def written(page: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with the parts between its markers made anew."""
    for name, lines in (
        ("promises", _promises(figures)),
        ("tools", _tools(figures)),
        ("cases", _cases(figures)),
    ):
        head, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, tail = rest.partition(f"<!-- end of {name} -->")
        page = f"{head}<!-- {name} -->\n\n{lines}\n\n<!-- end of {name} -->{tail}"
    return page


def _promises(figures: Mapping[str, Mapping[str, Any]]) -> str:
    values = {key: value for each in figures.values() for key, value in each["figures"].items()}
    rows = ["| | promise | tests | last figures |", "| --- | --- | --- | --- |"]
    for number, promise in enumerate(PROMISES, 1):
        tests = "<br>".join(map(link, promise.tests))
        shown = "<br>".join(f"{name}: {values.get(name, 'not measured yet')}" for name in promise.figures)
        rows.append(
            f"| {number} | {promise.words} | {tests} | {shown or 'holds in every run of the tests'} |"
        )
    dates = sorted({f"{each['date']} ({each['version']})" for each in figures.values()})
    return "\n".join([*rows, "", f"Measured on {' and '.join(dates)}."])


def _tools(figures: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        "| | faults met | survived | had to be ended | 1 % | 5 % |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in figures.get("tools", {}).get("rows", {}).items():
        rows.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    return "\n".join(rows)


def _cases(figures: Mapping[str, Mapping[str, Any]]) -> str:
    table: Mapping[str, Mapping[str, str]] = figures.get("tools", {}).get("cases", {})
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    rows = ["| fault | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    rows += [
        f"| {case} | " + " | ".join(row.get(name, "") for name in names) + " |" for case, row in table.items()
    ]
    return "\n".join(rows)
