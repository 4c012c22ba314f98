"""What Nix says of an image, in the words of labels and tags."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.commands.building.buildable import Buildable
from flakeship.commands.nix_facts import (
    facts_before_build,
    facts_of,
    facts_while_packing,
    missing_labels,
    title_of,
)
from flakeship.commands.subject import Subject
from flakeship.errors import BuildError
from flakeship.events import Detail, Event, ignore
from flakeship.metadata.context import NixFacts
from flakeship.metadata.labels import PREFIX
from flakeship.nix.derivation import Derivation
from flakeship.nix.licences import Joined, Licence
from flakeship.sources.written import WrittenSource
from tests.metadata.computing import compute
from tests.metadata.test_engine import CONTEXT, MAIN

HASH = "0c4m3ig4" * 4
SAID = Derivation(
    name="hello-2.12",
    pname="hello",
    version="2.12",
    system="x86_64-linux",
    outputs={"out": f"/nix/store/{HASH}-hello-2.12"},
    main_program="hello",
    description="says hello",
    homepage="https://hello.example/",
    licenses=("MIT", "GPL-3.0-or-later", "Some Words Of Its Own"),
)


def test_a_package_in_the_words_of_labels() -> None:
    assert facts_of(SAID) == NixFacts(
        output_hash=HASH,
        name="hello",
        version="2.12",
        description="says hello",
        homepage="https://hello.example/",
        license_spdx="MIT AND GPL-3.0-or-later",
    )


@pytest.mark.parametrize(
    ("licences", "label"),
    [
        ((Joined("OR", ("MIT", "Apache-2.0")),), "MIT OR Apache-2.0"),
        (("ISC", Joined("OR", ("MIT", Joined("WITH", ("Apache-2.0", "LLVM-exception"))))), "ISC AND (MIT OR Apache-2.0 WITH LLVM-exception)"),
        (("ISC", Joined("OR", ("MIT", "Own Words"))), "ISC"),
        ((Joined("+", ("EUPL-1.1",)),), "EUPL-1.1+"),
    ],
)  # fmt: skip
def test_joined_licences_are_an_expression_of_spdx(licences: tuple[Licence, ...], label: str) -> None:
    assert facts_of(replace(SAID, licenses=licences)).license_spdx == label


def test_several_outputs_have_a_hash_of_all_of_them() -> None:
    def hash_of(**outputs: str) -> str:
        return facts_of(replace(SAID, outputs=outputs)).output_hash

    out, man, dev = (f"/nix/store/{letter * 32}-hello" for letter in "abc")
    hashes = [
        hash_of(out=out),
        hash_of(out=out, man=man),
        hash_of(out=out, man=dev),
        hash_of(out=man, man=out),
    ]
    assert len(set(hashes)) == 4
    assert all(re.fullmatch(r"[0-9a-df-np-sv-z]{32}", each) for each in hashes)
    assert hash_of(out=out, man="") == ""


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("docker-image-app.tar.gz", "app"),
        ("app.tar.gz", "app"),
        ("app.tar", "app"),
        ("stream-my-app", "my-app"),
        ("stream-app-layered.tar.zst", "app-layered"),
        ("image-app.json", "app"),
        ("image-my-app-1.0.json.drv", "my-app"),
        ("image-tools", "image-tools"),
        ("merge-docker-images", ""),
        ("merge-docker-images.drv", ""),
        ("merge-docker-images-2", "merge-docker-images"),
        ("hello-2.12", "hello"),
        ("gtk+3", "gtk+3"),
        ("", ""),
    ],
)
def test_a_title_is_what_dockertools_put_something_around(name: str, title: str) -> None:
    assert title_of(name) == title
    assert facts_of(replace(SAID, pname="", name=name)).name == title


def test_a_source_has_the_hash_of_its_store_path(tmp_path: Path) -> None:
    (tmp_path / "result").symlink_to(SAID.out_path)
    assert facts_before_build(
        Subject(source=WrittenSource("path", str(tmp_path / "result"))), tmp_path
    ) == NixFacts(output_hash=HASH)
    assert facts_before_build(Subject(source=WrittenSource("path", SAID.out_path)), tmp_path) == NixFacts(
        output_hash=HASH
    )
    assert facts_before_build(Subject(source=WrittenSource("stdin")), tmp_path) == NixFacts()
    assert (
        facts_before_build(Subject(source=WrittenSource("path", str(tmp_path / "image.tar"))), tmp_path)
        == NixFacts()
    )


def test_what_is_known_already_is_not_asked() -> None:
    everything = [f"{PREFIX}{key}=x" for key in ("title", "version", "description", "url", "licenses")]
    assert not missing_labels(compute(CONTEXT, labels=everything))
    assert not missing_labels(compute(CONTEXT))
    bare = replace(MAIN, repository=replace(MAIN.repository, license="", description=""))
    assert missing_labels(compute(bare)) == {f"{PREFIX}licenses", f"{PREFIX}description"}


@pytest.mark.parametrize("inputs", [{"auto_labels": False}, {}])
def test_nix_is_left_alone_where_nothing_lacks(tmp_path: Path, inputs: dict[str, Any]) -> None:
    def asked() -> Derivation:
        pytest.fail("Nix is asked")

    with facts_while_packing(asked, compute(CONTEXT, **inputs), ignore) as facts:
        assert facts() == NixFacts()


def test_an_evaluation_that_fails_leaves_labels_out(tmp_path: Path) -> None:
    def fails() -> Derivation:
        raise BuildError("the attribute throws")

    told: list[Event] = []
    bare = replace(MAIN, repository=replace(MAIN.repository, license=""))
    with facts_while_packing(fails, compute(bare), told.append) as facts:
        assert facts() == NixFacts()
    (detail,) = told
    assert isinstance(detail, Detail)
    assert "the attribute throws" in detail.text


def test_it_is_evaluated_once(mocker: MockerFixture) -> None:
    describe = mocker.patch("flakeship.commands.building.buildable.describe", return_value=SAID)
    buildable = Buildable(mocker.Mock(described={}), mocker.Mock())
    assert buildable.description() is buildable.description() is SAID
    assert describe.call_count == 1
