"""One fault at a time, before a real registry and its token server: each push ends as it should, in time, and leaves nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bench import PASSWORD, USERNAME, Bench, open_sessions, shown, start
from tests.faults.case import DOCUMENTS, SIZE, STEPS, Case
from tests.faults.cases import CASES
from tests.faults.conftest import Trials
from tests.faults.fuzzing.targets import TARGETS
from tests.faults.known import KNOWN, verdict

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults"), pytest.mark.timeout(900)]


def test_every_case_has_a_name_of_its_own() -> None:
    assert [name for name, number in Counter(map(str, CASES)).items() if number > 1] == []


def test_every_known_fault_is_that_of_a_case_or_a_test() -> None:
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    cases = {*map(str, CASES), *(f"a minute of {target.name}" for target in TARGETS)}
    assert [
        name for name in KNOWN if name not in cases and not any(f'"{name}"' in text for text in texts)
    ] == []


def test_without_a_fault(bench: Bench) -> None:
    """Every step is taken, nothing is sent twice, and the bench sees what it is to see."""
    with bench.stage(bench.image("one layer", size=SIZE)) as stage:
        outcome = start(stage).ended(within=60)
        assert (outcome.code, outcome.state, outcome.sessions) == (0, "complete", 0), outcome.said
        assert not outcome.litter
        assert not outcome.secrets
        assert SIZE < outcome.sent <= SIZE * 1.01 + DOCUMENTS
        for name, (method, pattern) in STEPS.items():
            assert stage.proxy.of(method, pattern.strip("^$")), name
        tokens = {entry.headers.get("Authorization", "") for entry in stage.proxy.requests}
        assert any(token.startswith("Bearer ") for token in tokens)
        assert shown(stage, f"{USERNAME} {PASSWORD}") == ["password"]
        assert "token" in shown(stage, " ".join(tokens))


def test_an_open_session_and_a_missing_blob_are_seen(bench: Bench) -> None:
    with bench.stage(bench.image("one layer", size=SIZE)) as stage:
        assert start(stage).ended(within=60).state == "complete"
        stage.registry.request(
            "POST", f"{stage.repository}/blobs/uploads/", repository=stage.repository
        ).raise_for_status()
        assert open_sessions(stage) == 1
        manifest = stage.registry.manifest(stage.repository, "1") if stage.registry.tokens else None
        assert manifest
        digest = manifest["layers"][0]["digest"]
        stage.registry.request(
            "DELETE", f"{stage.repository}/blobs/{digest}", repository=stage.repository
        ).raise_for_status()
        assert stage.state() == "incomplete"


@pytest.mark.parametrize("case", [case for case in CASES if not case.long], ids=str)
def test_one_fault(case: Case, trials: Trials) -> None:
    tried = trials(case)
    assert not verdict(case.name, tried.problems), tried.outcome.said


@pytest.mark.long
@pytest.mark.parametrize("case", [case for case in CASES if case.long], ids=str)
def test_one_fault_of_many(case: Case, trials: Trials) -> None:
    tried = trials(case)
    assert not verdict(case.name, tried.problems), tried.outcome.said
