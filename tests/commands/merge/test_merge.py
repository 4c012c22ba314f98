"""A merge that is right: by files, folders, outputs and references; what the index is, and what is told of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from flakeship.commands.publish.leg_files import file_names
from tests.attest.test_keys import P256, pem
from tests.commands.merge.scene import AMD64, ARM64, BOTH, GITHUB, SHA, Jobs, changed
from tests.sources.layouts import DOCKER, Layout
from tests.testbed.github_runner import outputs
from tests.testbed.registry_memory import MemoryRegistry, registry
from tests.testbed.registry_proxy import fault_proxy

pytestmark = pytest.mark.slow

__all__ = ["registry"]

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs/metadata-file.schema.json").read_text())


@pytest.fixture
def jobs(registry: MemoryRegistry, tmp_path: Path) -> Jobs:
    return Jobs(registry, tmp_path, registry.new_repository())


def index_of(jobs: Jobs, tag: str = "1") -> dict[str, Any]:
    found = jobs.registry.manifest(jobs.repository, tag)
    assert found
    return found


def platforms(index: dict[str, Any]) -> list[str]:
    named = (entry["platform"] for entry in index["manifests"])
    return ["/".join(filter(None, (each["os"], each["architecture"], each.get("variant")))) for each in named]


def digest_in(file: Path) -> str:
    return str(json.loads(file.read_text())["containerimage.digest"])


def test_a_leg_has_no_tag_and_its_file_says_what_it_would_have(jobs: Jobs) -> None:
    file = jobs.push(ARM64, "--annotations", "a=b")
    assert file.name == f"flakeship-{jobs.repository.replace('/', '-')}-linux-arm64.json"
    document = json.loads(file.read_text())
    jsonschema.validate(document, SCHEMA)
    leg = document["flakeship.leg"]
    assert (leg["version"], leg["platform"], leg["run"]) == (1, ARM64, "github octo/harbour 7")
    assert (leg["revision"], leg["tags"]) == (SHA, [f"{jobs.image}:1"])
    assert leg["annotations"]["a"] == "b"
    assert leg["annotations"]["org.opencontainers.image.revision"] == SHA
    assert document["flakeship.pushed"] is True
    assert document["image.name"] == ""
    assert jobs.registry.digest(jobs.repository, digest_in(file)) == digest_in(file)
    assert not jobs.registry.digest(jobs.repository, "1")


def test_a_leg_lies_beside_the_metadata_file_which_has_the_same(jobs: Jobs) -> None:
    layout = Layout()
    layout.listing(layout.image("a")).folder(jobs.folder / "layout")
    flags = ("--source", "layout", "--push-by-digest", "--metadata-file", "report/metadata.json")
    assert jobs.flakeship("publish", *flags, "--tags", f"{jobs.image}:1").code == 0
    (leg,) = (jobs.folder / "report").glob("flakeship-*.json")
    assert leg.read_text() == (jobs.folder / "report/metadata.json").read_text()


@pytest.mark.parametrize(
    ("images", "names"),
    [
        ([("app", "o/n")], ["o-n"]),
        ([("app", "o/n"), ("app", "o/n")], ["o-n", "o-n-debug"]),
        ([("app", "o/n"), ("web", "o/w")], ["o-n", "o-w"]),
        ([("app", "o/n"), ("web", "o/n")], ["o-n-app", "o-n-web"]),
        (
            [("app", "o/n"), ("app", "o/n"), (".#w", "o/n"), (".#w", "o/n")],
            ["o-n-app", "o-n-app-debug", "o-n-.-w", "o-n-.-w-debug"],
        ),
    ],
    ids=["one", "its variant", "two", "two in one repository", "all of that"],
)
def test_no_file_of_a_leg_replaces_another(images: list[tuple[str, str]], names: list[str]) -> None:
    def leg(repository: str) -> Any:
        place = SimpleNamespace(destination=f"ghcr.io/{repository}", untagged=("x",))
        return SimpleNamespace(leg=SimpleNamespace(platform=ARM64), published=(place,))

    found = file_names([(name, leg(repository)) for name, repository in images])
    assert found == [f"flakeship-{name}-linux-arm64.json" for name in names]


def test_push_by_digest_needs_a_registry(jobs: Jobs) -> None:
    layout = Layout()
    layout.listing(layout.image("a")).folder(jobs.folder / "layout")
    done = jobs.flakeship("publish", "--source", "layout", "--push-by-digest", "--to", "oci:out")
    assert done.code == 2
    assert "push-by-digest is given, and no registry to push to" in done.log


def test_files_become_one_index_and_no_blob_is_moved(jobs: Jobs, tmp_path: Path) -> None:
    arm, amd = jobs.push(ARM64), jobs.push(AMD64)
    before = len(jobs.registry.accesses(jobs.repository))
    page, output = tmp_path / "page.md", tmp_path / "output"
    files = {"GITHUB_STEP_SUMMARY": str(page), "GITHUB_OUTPUT": str(output)}
    flags = ("--platforms", BOTH, "--metadata-file", "merged.json")
    done = jobs.merge(arm.name, amd.name, *flags, SHIPPED_FOLDER=str(tmp_path / "shipped"), **files)
    assert done.code == 0, done.log
    digest = jobs.registry.digest(jobs.repository, "1")
    assert done.stdout == f"{jobs.image}@{digest}"
    index = index_of(jobs)
    assert platforms(index) == [AMD64, ARM64], "amd64 first"
    assert [entry["digest"] for entry in index["manifests"]] == [digest_in(amd), digest_in(arm)]
    assert index["annotations"]["org.opencontainers.image.revision"] == SHA
    assert "<option>linux/amd64</option><option>linux/arm64</option>" in (
        (jobs.folder / "merged-picture.html").read_text()
    )
    asked = jobs.registry.accesses(jobs.repository)[before:]
    assert [entry for entry in asked if entry.method in {"PUT", "PATCH"}] == [
        entry for entry in asked if entry.method == "PUT" and entry.path.endswith("/manifests/1")
    ]
    layers = {layer["digest"] for child in index["manifests"] for layer in _layers(jobs, child["digest"])}
    assert not [entry for entry in asked if any(layer in entry.path for layer in layers)]
    said = outputs(output.read_text())
    assert (said["digest"], said["tags"], said["pushed"]) == (digest, f"{jobs.image}:1", "true")
    assert json.loads(said["digests"]) == {AMD64: digest_in(amd), ARM64: digest_in(arm)}
    assert f"org.opencontainers.image.revision={SHA}" in said["labels"]
    document = json.loads((tmp_path / "merged.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document == json.loads(said["metadata"])
    assert document["image.name"] == f"{jobs.image}:1"
    assert f"SHIPPED_REF={jobs.image}@{digest}\n" in (tmp_path / "shipped/shipped.env").read_text()
    metrics = (tmp_path / "shipped/metrics.txt").read_text()
    values = dict(line.rsplit(" ", 1) for line in re.sub(r"\{.*\}", "", metrics).splitlines())
    assert values["flakeship_image_layers"] == "2"
    assert (values["flakeship_sent_bytes"], values["flakeship_pushed"]) == ("0", "1")
    assert "linux/amd64, linux/arm64" in page.read_text()
    assert f"docker pull {jobs.image}@{digest}" in page.read_text()


@pytest.mark.parametrize("image", ["", "my-api"])
def test_merges_side_by_side_hand_on_a_variable_each(jobs: Jobs, tmp_path: Path, image: str) -> None:
    """A job that needs two of them has one SHIPPED_REF."""
    legs = [jobs.push(ARM64), jobs.push(AMD64)]
    for leg in legs if image else ():
        changed(leg, image=image)
    named = [leg.name for leg in legs]
    done = jobs.merge(*named, "--platforms", BOTH, SHIPPED_FOLDER=str(tmp_path / "shipped"))
    assert done.code == 0, done.log
    last = re.sub(r"[^A-Z0-9]", "_", jobs.repository.rpartition("/")[2].upper())
    lines = (tmp_path / "shipped/shipped.env").read_text().splitlines()
    variable = f"SHIPPED_REF_{'MY_API' if image else last}"
    assert f"{variable}={jobs.image}@{jobs.registry.digest(jobs.repository, '1')}" in lines


def _layers(jobs: Jobs, digest: str) -> list[dict[str, Any]]:
    found = jobs.registry.manifest(jobs.repository, digest)
    assert found
    return list(found["layers"])


def test_the_same_legs_in_any_order_and_any_form_give_the_same_index(jobs: Jobs) -> None:
    arm, amd = jobs.push(ARM64), jobs.push(AMD64)
    nested = jobs.folder / "legs"
    for file in (arm, amd):
        (nested / file.stem).mkdir(parents=True)
        file.rename(nested / file.stem / file.name)
    texts = [json.dumps(json.loads(file.read_text())) for file in nested.rglob("*.json")]
    digests = set()
    stated = [
        f"{json.loads(text)['flakeship.leg']['platform'].removeprefix('linux/')}={text}" for text in texts
    ]
    for number, lines in enumerate([["legs"], ["legs/*/flakeship-*.json"], texts, texts[::-1], stated]):
        done = jobs.merge("--platforms", BOTH, INPUT_LEGS="\n".join(lines), INPUT_TAGS=f"tag{number}")
        assert done.code == 0, done.log
        digests.add(jobs.registry.digest(jobs.repository, f"tag{number}"))
    assert len(digests) == 1


def test_references_give_the_same_index_but_for_what_only_files_know(jobs: Jobs) -> None:
    arm, amd = jobs.push(ARM64), jobs.push(AMD64)
    references = [f"{jobs.image}@{digest_in(file)}" for file in (arm, amd)]
    done = jobs.merge(
        references[0], f"{AMD64}=docker://{references[1]}", "--platforms", BOTH, "-t", "1,latest"
    )
    assert done.code == 0, done.log
    assert "the run is not compared" in done.log
    assert index_of(jobs) == index_of(jobs, "latest")
    assert platforms(index_of(jobs)) == [AMD64, ARM64]
    assert index_of(jobs)["annotations"]["org.opencontainers.image.revision"] == SHA


def test_jobs_that_run_again_find_the_tag_of_their_own_revision(jobs: Jobs) -> None:
    """What the tag holds by then is all platforms of the revision, and a leg takes no tag from them."""
    for _ in range(2):
        legs = [jobs.push(platform) for platform in (AMD64, ARM64)]
        done = jobs.merge(*(leg.name for leg in legs), "--platforms", BOTH)
        assert done.code == 0, done.log
        assert "loses" not in done.log
        for leg in legs:
            leg.unlink()
    assert platforms(index_of(jobs)) == [AMD64, ARM64]
    single = jobs.flakeship("publish", "--source", "layout", "--tags", f"{jobs.image}:1")
    assert single.code == 7, "another job without push-by-digest"


def test_a_platform_that_a_tag_loses_is_told_before_it_is_set(jobs: Jobs) -> None:
    legs = {platform: jobs.push(platform).name for platform in (AMD64, ARM64, "linux/riscv64")}
    assert jobs.merge(*legs.values(), "--platforms", f"{BOTH},linux/riscv64").code == 0
    for flags in (("--dry-run",), ()):
        done = jobs.merge(legs[AMD64], legs[ARM64], "--platforms", BOTH, "-t", "1,new", *flags)
        assert done.code == 0, done.log
        assert f"{jobs.image}:1 loses linux/riscv64: " in done.log
        assert f"{jobs.image}:new loses" not in done.log
    done = jobs.merge(legs[ARM64], "--platforms", ARM64)
    assert f"{jobs.image}:1 loses linux/amd64: " in done.log


def test_tags_and_annotations_of_the_merge_win(jobs: Jobs) -> None:
    for platform in (AMD64, ARM64):
        jobs.push(platform, "--annotations", "a=leg\nonly=leg")
    rules = "type=ref,event=branch\ntype=raw,value=stable"
    done = jobs.merge(".", "--platforms", BOTH, "--tags", rules, "--annotations", "a=merge\nmanifest:m=1")
    assert done.code == 0, done.log
    assert not jobs.registry.digest(jobs.repository, "1")
    index = index_of(jobs, "main")
    assert index == index_of(jobs, "stable")
    assert (index["annotations"]["a"], index["annotations"]["only"]) == ("merge", "leg")
    assert "m" not in index["annotations"]


def test_what_docker_metadata_action_puts_out_is_taken_as_it_is(jobs: Jobs) -> None:
    for platform in (AMD64, ARM64):
        jobs.push(platform)
    tags = f"{jobs.image}:1.2.3\n{jobs.image}:1.2\n{jobs.image}:latest"
    annotations = "index:org.opencontainers.image.title=Harbour"
    done = jobs.merge("--platforms", BOTH, INPUT_LEGS=".", INPUT_TAGS=tags, INPUT_ANNOTATIONS=annotations)
    assert done.code == 0, done.log
    assert {tag for tag in ("1", "1.2.3", "1.2", "latest") if jobs.registry.digest(jobs.repository, tag)} == {
        "1.2.3",
        "1.2",
        "latest",
    }
    assert index_of(jobs, "1.2")["annotations"]["org.opencontainers.image.title"] == "Harbour"


def test_an_image_in_two_repositories_is_merged_in_both(jobs: Jobs) -> None:
    other = Jobs(jobs.registry, jobs.folder, jobs.registry.new_repository())
    for platform in (AMD64, ARM64):
        jobs.push(platform, "--tags", f"{jobs.image}:1\n{other.image}:1")
    done = jobs.merge(".", "--platforms", BOTH)
    assert done.code == 0, done.log
    assert index_of(jobs) == index_of(other)
    assert len(done.stdout.splitlines()) == 2


def test_variants_are_listed_where_clients_ask_for_them(jobs: Jobs) -> None:
    layout = Layout()
    layout.listing(layout.image("a")).folder(jobs.folder / "layout")
    for platform in ("linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"):
        flags = ("--source", "layout", "--override-platform", platform, "--push-by-digest")
        assert jobs.flakeship("publish", *flags, "--tags", f"{jobs.image}:1").code == 0
    done = jobs.merge(".", "--platforms", "linux/arm/v7,linux/arm64,linux/arm/v6")
    assert done.code == 0, done.log
    assert platforms(index_of(jobs)) == ["linux/arm/v6", "linux/arm/v7", "linux/arm64"]


def test_docker_media_types_stay_in_the_family(jobs: Jobs) -> None:
    for platform in (AMD64, ARM64):
        jobs.push(platform, "--media-types", "docker")
    done = jobs.merge(".", "--platforms", BOTH)
    assert done.code == 0, done.log
    index = index_of(jobs)
    assert index["mediaType"] == f"{DOCKER}distribution.manifest.list.v2+json"
    assert "annotations" not in index


def test_a_second_merge_of_the_same_legs_changes_nothing(jobs: Jobs) -> None:
    for platform in (AMD64, ARM64):
        jobs.push(platform)
    assert jobs.merge(".", "--platforms", BOTH).code == 0
    before = jobs.puts()
    done = jobs.merge(".", "--platforms", BOTH)
    assert done.code == 0, done.log
    assert "is unchanged" in done.log
    assert jobs.puts() == before


def test_a_dry_run_looks_at_everything_and_sets_nothing(jobs: Jobs) -> None:
    for platform in (AMD64, ARM64):
        jobs.push(platform)
    before = jobs.puts()
    done = jobs.merge(".", "--platforms", BOTH, "--dry-run")
    assert done.code == 0, done.log
    assert "NOT PUSHED" in done.log
    assert (done.stdout, jobs.puts()) == ("", before)


def test_where_no_leg_was_pushed_the_merge_says_so_and_is_no_failure(jobs: Jobs, tmp_path: Path) -> None:
    """As for a pull request from a fork; with `push: true` it is one."""
    for platform in (AMD64, ARM64):
        jobs.push(platform, "--push", "false")
    output = tmp_path / "output"
    done = jobs.merge(".", "--platforms", BOTH, GITHUB_OUTPUT=str(output))
    assert done.code == 0, done.log
    assert f"NOT PUSHED: {jobs.image}:1: no platform was pushed: `push` is false" in done.log
    assert (done.stdout, jobs.puts()) == ("", [])
    assert (outputs(output.read_text())["pushed"], outputs(output.read_text())["digest"]) == ("false", "")
    assert jobs.merge(".", "--platforms", BOTH, "--push", "true").code == 5
    (arm,) = jobs.folder.glob("flakeship-*arm64.json")
    assert jobs.merge(arm.name, "--platforms", BOTH).code == 7


def test_a_second_try_of_a_job_is_of_the_same_run(jobs: Jobs) -> None:
    jobs.push(AMD64, GITHUB_RUN_ATTEMPT="1")
    jobs.push(ARM64, GITHUB_RUN_ATTEMPT="2")
    assert jobs.merge(".", "--platforms", BOTH, GITHUB_RUN_ATTEMPT="3").code == 0
    assert GITHUB["GITHUB_RUN_ID"] == "7"


def test_the_index_and_its_images_are_signed_before_a_tag_names_them(jobs: Jobs) -> None:
    files = [str(jobs.push(platform)) for platform in (AMD64, ARM64)]
    before = len(jobs.puts())
    done = jobs.merge(
        *files, "--platforms", BOTH, "--metadata-file", "merged.json", FLAKESHIP_SIGNING_KEY=pem(P256)
    )
    assert done.code == 0, done.log
    digests = [jobs.registry.digest(jobs.repository, "1"), *map(digest_in, map(Path, files))]
    names = [path.rpartition("/")[2] for path in jobs.puts()[before:] if "/manifests/" in path]
    signed = {f"{digest.replace(':', '-')}{end}" for digest in digests for end in ("", ".sig")}
    assert {name for name in names if name.startswith("sha256-")} == signed
    assert names[-1] == "1"
    document = json.loads((jobs.folder / "merged.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["flakeship.signature"]["verify"].endswith(f"{jobs.image}@{digests[0]}")
    assert document["flakeship.signature"]["verify"] in done.log
    again = len(jobs.puts())
    assert jobs.merge(*files, "--platforms", BOTH, FLAKESHIP_SIGNING_KEY=pem(P256)).code == 0
    assert len(jobs.puts()) == again


@pytest.mark.slow
@pytest.mark.long
def test_a_merge_names_nothing_where_attaching_is_refused_at_any_step(jobs: Jobs) -> None:
    """Each write in turn; all later ones too."""
    key = {"FLAKESHIP_SIGNING_KEY": pem(P256)}
    with fault_proxy(jobs.registry.host) as proxy:
        before = Behind(jobs.registry, jobs.folder, jobs.repository, host=proxy.host)
        files = [str(before.push(platform, "--provenance")) for platform in (AMD64, ARM64)]
        for number in range(40):
            proxy.fail_next("PUT", "", status=400, times=999, skip=number)
            refused = proxy.left
            done = before.merge(*files, "--platforms", BOTH, "--provenance", **key)
            if proxy.left == refused:
                assert done.code == 0, done.log
                break
            proxy.clear()
            assert done.code, f"write {number} was refused"
            assert jobs.registry.digest(jobs.repository, "1") == ""
        assert number > 5
        assert jobs.registry.digest(jobs.repository, "1")


@dataclass(slots=True)
class Behind(Jobs):
    """As `Jobs`, by way of a proxy."""

    host: str = ""

    @property
    def image(self) -> str:
        return f"{self.host}/{self.repository}"
