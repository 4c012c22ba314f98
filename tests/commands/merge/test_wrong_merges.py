"""Wrong merges: each is refused by the name of what is wrong, before anything is written to the registry."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.merge.scene import AMD64, ARM64, BOTH, Jobs, changed
from tests.sources.layouts import Layout
from tests.testbed.registry_faults import Answer
from tests.testbed.registry_memory import Asked, MemoryRegistry, basic_registry, registry

__all__ = ["basic_registry", "registry"]

Wrong = Callable[[Jobs, dict[str, Path]], tuple[str, ...]]
NAMES = {AMD64: "amd64", ARM64: "arm64"}


@pytest.fixture(scope="module")
def pushed(registry: MemoryRegistry, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """Two legs of one run, an image that was tagged before, and one more leg for riscv64."""
    folder = tmp_path_factory.mktemp("legs")
    jobs = Jobs(registry, folder, registry.new_repository())
    for platform in (AMD64, ARM64, "linux/riscv64"):
        jobs.push(platform).rename(folder / f"{platform.partition('/')[2]}.leg")
    return jobs


@pytest.fixture
def jobs(pushed: Jobs, tmp_path: Path) -> Jobs:
    """A folder with a copy of these files."""
    for file in pushed.folder.glob("*.leg"):
        shutil.copy(file, tmp_path / f"flakeship-{file.stem}.json")
    return Jobs(pushed.registry, tmp_path, pushed.repository)


def legs(jobs: Jobs) -> dict[str, Path]:
    return {name: jobs.folder / f"flakeship-{name}.json" for name in ("amd64", "arm64", "riscv64")}


def edited(file: Path, edit: Callable[[dict[str, object]], object]) -> None:
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))


def tagged(jobs: Jobs) -> list[str]:
    """The names that anything was written to, but for digests."""
    return [path for path in jobs.puts() if "/manifests/" in path and "sha256:" not in path]


def both(files: dict[str, Path]) -> tuple[str, ...]:
    return str(files["amd64"].name), str(files["arm64"].name)


def missing_leg(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (files["amd64"].name,)


def missing_leg_of_a_folder(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    files["arm64"].unlink()
    files["riscv64"].unlink()
    return (".",)


def another_revision(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["arm64"], revision="f" * 40)
    return both(files)


def tree_with_changes(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["arm64"], revision="")
    flake = {"url": "git+file:///app", "revision": None, "dirty": True}
    edited(files["arm64"], lambda document: document.update({"flakeship.flake": flake}))
    return both(files)


def another_run(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["arm64"], run="github octo/harbour 6")
    return both(files)


def digest_of_another_image(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    """The file of one image names the digest of another, in all places."""
    other = json.loads(files["riscv64"].read_text())["containerimage.digest"]
    own = json.loads(files["arm64"].read_text())["containerimage.digest"]
    files["arm64"].write_text(files["arm64"].read_text().replace(own, other))
    return both(files)


def two_digests_in_one_file(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    edited(files["arm64"], lambda document: document.update({"containerimage.digest": "sha256:" + "0" * 64}))
    return both(files)


def swapped_platforms(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    for name, other in (("amd64", ARM64), ("arm64", AMD64)):
        changed(files[name], platform=other)
        edited(files[name], lambda document: document["containerimage.descriptor"].pop("platform"))  # type: ignore[attr-defined]
    return both(files)


def platforms_that_differ_in_one_file(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["amd64"], platform=ARM64)
    changed(files["arm64"], platform=AMD64)
    return both(files)


def swapped_references(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    one, two = (json.loads(files[name].read_text())["containerimage.digest"] for name in ("amd64", "arm64"))
    return (f"{AMD64}={jobs.image}@{two}", f"{ARM64}={jobs.image}@{one}", "--tags", "1")


def index_as_a_leg(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    layout = Layout()
    layout.listing(layout.platforms("amd64", "arm64")).folder(jobs.folder / "layout")
    done = jobs.flakeship("publish", "--source", "layout", "--push-by-digest", "--tags", f"{jobs.image}:1")
    assert done.code == 0, done.log
    return (files["amd64"].name, done.stdout)


def file_of_an_index(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["arm64"], platform=BOTH)
    return both(files)


def digest_is_gone(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    own = json.loads(files["arm64"].read_text())["containerimage.digest"]
    files["arm64"].write_text(files["arm64"].read_text().replace(own, "sha256:" + "1" * 64))
    return both(files)


def two_legs_of_one_platform(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (files["amd64"].name, jobs.push(AMD64, text="other").name, files["arm64"].name)


def leg_twice(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (*both(files), files["arm64"].name)


def copy_of_a_leg(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    shutil.copy(files["amd64"], files["amd64"].with_name("copy.json"))
    return (*both(files), "copy.json")


def file_of_another_tool(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    files["arm64"].write_text(json.dumps({"containerimage.digest": "sha256:" + "2" * 64, "image.name": "a"}))
    return both(files)


def file_that_is_cut(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    text = files["arm64"].read_text()
    files["arm64"].write_text(text[: len(text) // 2])
    return both(files)


def file_that_is_empty(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    files["arm64"].write_text("")
    return both(files)


def file_without_a_digest(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    edited(files["arm64"], lambda document: document.pop("containerimage.digest"))
    return both(files)


def newer_file(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["arm64"], version=2)
    return both(files)


def nothing(_jobs: Jobs, _files: dict[str, Path]) -> tuple[str, ...]:
    return ()


def empty_folder(jobs: Jobs, _files: dict[str, Path]) -> tuple[str, ...]:
    (jobs.folder / "empty").mkdir()
    return ("empty",)


def file_that_is_not_there(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (files["amd64"].name, "legs/arm64.json")


def hundred(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    for number in range(100):
        shutil.copy(files["amd64"], jobs.folder / f"flakeship-{number}.json")
    return (".",)


def platform_that_was_not_asked_for(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (*both(files), files["riscv64"].name)


def other_repository(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    files["arm64"].unlink()
    other = Jobs(jobs.registry, jobs.folder, jobs.registry.new_repository())
    return (files["amd64"].name, other.push(ARM64).name)


def tag_in_another_repository(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (*both(files), "--tags", f"{jobs.registry.host}/other/app:1")


def config_that_disagrees(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    edited(
        files["arm64"],
        lambda document: document.update({"containerimage.config.digest": "sha256:" + "3" * 64}),
    )
    return both(files)


def name_with_capital_letters(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (*both(files), "--tags", "Octo/App:1")


def legs_that_would_be_tagged_differently(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    changed(files["arm64"], tags=["ghcr.io/octo/harbour:2"])
    return both(files)


def no_tag_for_references(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    digests = [json.loads(files[name].read_text())["containerimage.digest"] for name in ("amd64", "arm64")]
    return tuple(f"{jobs.image}@{digest}" for digest in digests)


def leg_that_was_not_pushed(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    files["arm64"].unlink()
    return (files["amd64"].name, jobs.push(ARM64, "--push", "false").name)


def gone_from_one_of_two_repositories(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    second = f"{jobs.image}/mirror"
    both = [jobs.push(each, "--tags", f"{jobs.image}:2,{second}:2", text="m") for each in (AMD64, ARM64)]
    digest = json.loads(both[1].read_text())["containerimage.digest"]
    del jobs.registry.manifests[f"{jobs.repository}/mirror", digest]  # type: ignore[attr-defined]
    return tuple(file.name for file in both)


def file_without_its_destinations(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    edited(files["arm64"], lambda document: document.pop("flakeship.destinations"))
    return both(files)


def file_whose_references_have_no_digest(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    digest = json.loads(files["arm64"].read_text())["containerimage.digest"]
    files["arm64"].write_text(files["arm64"].read_text().replace(f"{jobs.image}@{digest}", f"{jobs.image}:1"))
    return both(files)


def files_of_another_registry_than_their_tags(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    for file in files.values():
        file.write_text(file.read_text().replace(f"{jobs.image}@", f"evil.example/{jobs.repository}@"))
    return both(files)


def tags_of_another_owner(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    for file in files.values():
        changed(file, tags=["ghcr.io/other/app:1"])
    return both(files)


def artifact_as_a_leg(jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    """What oras pushes has a manifest, and no config of an image."""
    own = json.loads(files["arm64"].read_text())["containerimage.digest"]
    media_type, data = jobs.registry.manifests[jobs.repository, own]  # type: ignore[attr-defined]
    data = data.replace(b"vnd.oci.image.config.v1", b"vnd.oci.empty.v1")
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    jobs.registry.manifests[jobs.repository, digest] = media_type, data  # type: ignore[attr-defined]
    return (f"{jobs.image}@{digest}", files["amd64"].name)


def platform_of_another_leg(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (f"amd64={files['arm64'].name}", files["amd64"].name)


def platform_twice(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (*both(files), "--platforms", "linux/arm64/v8")


def several_lines_in_one(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (",".join(both(files)),)


def folder_by_the_name_of_a_leg(jobs: Jobs, _files: dict[str, Path]) -> tuple[str, ...]:
    (jobs.folder / "flakeship-folder.json").mkdir()
    return (".",)


def nothing_but_brackets(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    files["arm64"].write_text("[" * 100_000)
    return both(files)


def rule_that_asks_nix(_jobs: Jobs, files: dict[str, Path]) -> tuple[str, ...]:
    return (*both(files), "--tags", "type=nix,value=hash")


WRONG: dict[Wrong, tuple[int, str]] = {
    missing_leg: (7, "there is no leg for linux/arm64"),
    missing_leg_of_a_folder: (7, "there is no leg for linux/arm64"),
    another_revision: (7, "linux/arm64 (flakeship-arm64.json) is of another revision"),
    tree_with_changes: (7, "than linux/amd64 (flakeship-amd64.json): a working tree with changes, and not"),
    another_run: (7, "linux/arm64 (flakeship-arm64.json) is of another run"),
    digest_of_another_image: (7, "linux/arm64 (flakeship-arm64.json) states the config"),
    two_digests_in_one_file: (2, "flakeship-arm64.json is no whole leg: it gives"),
    swapped_platforms: (7, "is said to be for linux/arm64, and its config is for linux/amd64"),
    platforms_that_differ_in_one_file: (2, "it states linux/arm64, and linux/amd64 in its descriptor"),
    swapped_references: (7, "is said to be for linux/amd64, and its config is for linux/arm64"),
    index_as_a_leg: (7, "is an index, and a leg is the image of one platform"),
    file_of_an_index: (2, "flakeship-arm64.json is an index of linux/amd64, linux/arm64"),
    digest_is_gone: (7, "linux/arm64 (flakeship-arm64.json) is not in"),
    two_legs_of_one_platform: (7, "two legs are for linux/amd64"),
    leg_twice: (7, "linux/arm64 (flakeship-arm64.json)"),
    copy_of_a_leg: (7, "linux/amd64 (copy.json)"),
    file_of_another_tool: (2, "flakeship-arm64.json is the metadata file of an image that was not pushed by"),
    file_that_is_cut: (2, "flakeship-arm64.json is no leg: it is not JSON"),
    file_that_is_empty: (2, "flakeship-arm64.json is no leg"),
    file_without_a_digest: (2, "flakeship-arm64.json is no whole leg"),
    newer_file: (2, "flakeship-arm64.json was written by a newer flakeship"),
    nothing: (2, "there is nothing to merge"),
    empty_folder: (2, "the folder empty has no file of a leg"),
    file_that_is_not_there: (2, "there is no file legs/arm64.json"),
    hundred: (2, "more than 32 legs"),
    platform_that_was_not_asked_for: (7, "is for linux/riscv64, which is not among the wanted platforms"),
    other_repository: (7, "push all platforms of an image to the same repository"),
    tag_in_another_repository: (7, "/other/app:1 is in another repository than the legs"),
    config_that_disagrees: (7, "linux/arm64 (flakeship-arm64.json) states the config"),
    name_with_capital_letters: (2, "lower case"),
    legs_that_would_be_tagged_differently: (7, "would be tagged ghcr.io/octo/harbour:2, and"),
    no_tag_for_references: (2, "nothing says how to tag the image"),
    leg_that_was_not_pushed: (7, "was not pushed: `--push` is false"),
    rule_that_asks_nix: (2, "`type=nix` asks the flake"),
    gone_from_one_of_two_repositories: (7, "/mirror any more"),
    file_without_its_destinations: (2, "no whole leg: it has no 'flakeship.destinations'"),
    file_whose_references_have_no_digest: (2, "flakeship-arm64.json is no whole leg: it gives sha256:"),
    files_of_another_registry_than_their_tags: (7, "than the legs, which are at evil.example/"),
    tags_of_another_owner: (7, "the tag ghcr.io/other/app:1 is in another repository than the legs"),
    artifact_as_a_leg: (4, "is no image: it names no config of an image"),
    platform_of_another_leg: (2, "is said to be linux/amd64, and it says linux/arm64"),
    platform_twice: (2, "and one of them twice"),
    several_lines_in_one: (2, "there is no file flakeship-amd64.json,flakeship-arm64.json"),
    folder_by_the_name_of_a_leg: (2, "flakeship-folder.json can't be read: Is a directory"),
    nothing_but_brackets: (2, "flakeship-arm64.json is no leg: it is nested too deeply"),
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_merge_is_refused_before_a_tag_is_touched(jobs: Jobs, wrong: Wrong) -> None:
    flags = wrong(jobs, legs(jobs))
    before = jobs.puts()
    done = jobs.merge(*flags, "--platforms", BOTH)
    code, words = WRONG[wrong]
    assert words in done.log, done.log
    assert done.code == code, done.log
    assert not done.stdout
    (told,) = (line for line in done.log.splitlines() if line.startswith("::error"))
    assert "%0A" in told, "what to do next stands below"
    assert jobs.puts() == before


@pytest.mark.parametrize(
    ("platforms", "words"),
    [
        ("", "platforms is empty (an unset variable?)"),
        ("linux", "'linux' is not a platform"),
        (f"{BOTH},linux/s390x", "there is no leg for linux/s390x"),
    ],
)
def test_the_platforms_are_demanded(jobs: Jobs, platforms: str, words: str) -> None:
    done = jobs.merge("flakeship-amd64.json", "flakeship-arm64.json", "--platforms", platforms)
    assert done.code in {2, 7}
    assert words in done.log
    assert not tagged(jobs)


def test_a_registry_without_rights_is_named(
    jobs: Jobs, basic_registry: MemoryRegistry, registry: MemoryRegistry
) -> None:
    for file in jobs.folder.glob("flakeship-*.json"):
        file.write_text(file.read_text().replace(registry.host, basic_registry.host))
    done = jobs.merge("flakeship-amd64.json", "flakeship-arm64.json", "--platforms", BOTH)
    assert done.code == 5
    assert f"{basic_registry.host}/{jobs.repository} asks for credentials" in done.log
    assert not basic_registry.manifests


def test_an_immutable_tag_is_named_and_keeps_its_image(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, registry: MemoryRegistry
) -> None:
    repository = Jobs(registry, jobs.folder, registry.new_repository())
    first = [repository.push(platform).name for platform in (AMD64, ARM64)]
    assert repository.merge(*first, "--platforms", BOTH).code == 0
    there = registry.digest(repository.repository, "1")
    own = MemoryRegistry.answer

    def immutable(self: MemoryRegistry, asked: Asked) -> Answer:
        if asked.method == "PUT" and asked.path.endswith("/manifests/1"):
            document = {"errors": [{"code": "TAG_INVALID", "message": "the tag 1 is immutable"}]}
            return Answer(400, {"Content-Type": "application/json"}, json.dumps(document).encode())
        return own(self, asked)

    monkeypatch.setattr(MemoryRegistry, "answer", immutable)
    done = repository.merge(*first, "--platforms", BOTH, "--annotations", "a=b")
    assert done.code == 5
    assert f"the tag {repository.image}:1 is immutable and names another image: {there}" in done.log
    assert registry.digest(repository.repository, "1") == there


def test_a_tag_that_was_moved_before_another_failed_is_told(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, registry: MemoryRegistry
) -> None:
    """Of two repositories one takes its tag, and the other refuses."""
    jobs = Jobs(registry, jobs.folder, registry.new_repository())
    two = f"{jobs.image}:moved,{jobs.image}/mirror:moved"
    legs = [jobs.push(platform, "--tags", two, text="moved").name for platform in (AMD64, ARM64)]
    own = MemoryRegistry.answer

    def answered(self: MemoryRegistry, asked: Asked) -> Answer:
        if asked.method == "PUT" and asked.path.endswith(f"{jobs.repository}/manifests/moved"):
            return Answer(403, {"Content-Type": "application/json"}, b'{"errors": [{"code": "DENIED"}]}')
        return own(self, asked)  # the tags are set one repository after the other

    monkeypatch.setattr(MemoryRegistry, "answer", answered)
    done = jobs.merge(*legs, "--platforms", BOTH)
    assert done.code == 5, done.log
    assert not done.stdout
    assert registry.digest(f"{jobs.repository}/mirror", "moved")
    assert not registry.digest(jobs.repository, "moved")
    assert f" set: {jobs.image}/mirror:moved" in done.log
    assert f"not set: {jobs.image}:moved" in done.log


def test_references_of_another_commit_or_image_are_refused_by_their_labels(jobs: Jobs) -> None:
    key = "org.opencontainers.image.title"
    digests = []
    for platform, title in ((AMD64, "harbour"), (ARM64, "lighthouse")):
        file = jobs.push(platform, "--labels", f"{key}={title}", text=title)
        digests.append(json.loads(file.read_text())["containerimage.digest"])
    done = jobs.merge(
        *(f"{jobs.image}@{digest}" for digest in digests), "--platforms", BOTH, "--tags", f"{jobs.image}:1"
    )
    assert done.code == 7
    assert f"is of another image than {jobs.image}@{digests[0]}: its label {key} is 'lighthouse'" in done.log
    assert not tagged(jobs)


def test_the_run_of_references_is_said_to_be_unknown(jobs: Jobs) -> None:
    digests = [
        json.loads(legs(jobs)[name].read_text())["containerimage.digest"] for name in ("amd64", "arm64")
    ]
    done = jobs.merge(
        *(f"{jobs.image}@{digest}" for digest in digests), "--platforms", BOTH, "-t", "1", "--dry-run"
    )
    assert done.code == 0, done.log
    assert "the run is not compared" in done.log
    assert "the revision is not compared" in done.log
    assert not tagged(jobs)
