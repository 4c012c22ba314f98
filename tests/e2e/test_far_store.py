"""The input `store`: a real sshd and a real Nix with a store of its own, from which images are shipped."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.events import ignore
from flakeship.nix import ssh_config
from flakeship.nix.far_link import FarLink
from flakeship.nix.far_store import FarStore
from flakeship.nix.machine import Address, Machine
from tests.sbom.validators import valid_cyclonedx
from tests.testbed.command import Ended, Publish
from tests.testbed.far_flake import KINDS, write_document, write_far_flake
from tests.testbed.machines import FarMachine, MakeMachine
from tests.testbed.newer_nix import serve_by
from tests.testbed.registry import Registry
from tests.testbed.relay import metered
from tests.testbed.ssh import new_key

pytestmark = pytest.mark.slow

OFTEN = ("package", "script", "gzipped", "document")
"""Kinds that each run tries; the others are like one of these."""


def from_far(publish: Publish, machine: FarMachine, *flags: str, **environ: str) -> Ended:
    told = {
        "FLAKESHIP_STORE": f"ssh-ng://{machine.address}",
        "FLAKESHIP_SSH_KEY": machine.key,
        "FLAKESHIP_SSH_KNOWN_HOSTS": machine.known,
    }
    return publish("--log-level", "debug", *flags, **{**told, **environ})


def here(environ: Mapping[str, str], flake: Path, attribute: str) -> str:
    """Build an attribute on this machine."""
    done = subprocess.run(
        ["nix", "build", "--no-link", "--json", f"path:{flake}#{attribute}"],
        env=environ,
        capture_output=True,
        check=True,
    )
    return str(json.loads(done.stdout)[0]["outputs"]["out"])


def manifest(layout: Path) -> str:
    """The digest of the image that a layout holds."""
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


@pytest.fixture
def flake(tmp_path: Path) -> Path:
    """Nothing of it was ever built anywhere."""
    folder = tmp_path / "app"
    write_far_flake(folder, salt=str(uuid.uuid4()))
    return folder


@pytest.fixture
def far(make_machine: MakeMachine) -> FarMachine:
    return make_machine("far")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in OFTEN else pytest.mark.long) for kind in KINDS]
)
def test_the_same_image_as_from_here(  # noqa: PLR0917
    publish: Publish, flake: Path, far: FarMachine, nix_environ: Mapping[str, str], tmp_path: Path, kind: str
) -> None:
    if kind == "document":
        write_document(flake, here(nix_environ, flake, "data"), 0)
    flags = ["--flake", f"path:{flake}#{kind}", "--created", "keep", "--sbom", "true"]
    if kind == "package":
        flags += ["--contents", f"path:{flake}#tools\npath:{flake}#others"]
    written = ("--to", f"oci:{tmp_path}/far", "--metadata-file", f"{tmp_path}/m.json")
    there = from_far(publish, far, *flags, *written)
    assert there.code == 0, there.stderr
    drawn = (tmp_path / "m-picture.svg").read_text()
    assert kind != "package" or " unpacked · " in drawn, "by the sizes that the machine told"
    assert "everything is built and kept on" in there.stderr
    assert "copying path '/nix/store/" not in re.sub("copying path '[^']*' to 'ssh-ng.*", "", there.stderr)
    (shipped,) = re.findall(r"==> publishing (/nix/store/\S+)", there.stderr)
    assert not Path(shipped).exists(), "no store of this machine holds it"
    (tmp_path / "beside").mkdir()
    local = publish(*flags, "--to", f"oci:{tmp_path}/here", "--metadata-file", f"{tmp_path}/beside/m.json")
    assert local.code == 0, local.stderr
    assert manifest(tmp_path / "far") == manifest(tmp_path / "here")
    if kind == "layout":  # which holds no store path
        return
    far_bill, local_bill = (
        valid_cyclonedx(next(folder.glob("flakeship-*.cdx.json")).read_text())
        for folder in (tmp_path, tmp_path / "beside")
    )
    assert far_bill["components"] == local_bill["components"], "NAR hashes and derivations too"
    assert far_bill["dependencies"] == local_bill["dependencies"]
    counts = {each["name"]: each["value"] for each in far_bill["metadata"]["properties"]}
    made_elsewhere = kind in {"archive", "gzipped"}  # of store paths that no store here has
    assert made_elsewhere or counts["flakeship:paths-known"] == counts["flakeship:paths"]
    assert kind != "package" or counts["flakeship:paths-with-meta"] == "3", (
        "what lies beside it says something too"
    )


@pytest.mark.long
def test_a_variant_with_a_shell_and_a_platform(
    publish: Publish, flake: Path, far: FarMachine, tmp_path: Path
) -> None:
    flags = [
        "--flake",
        f"path:{flake}#package",
        "--created",
        "keep",
        "--platforms",
        "linux/amd64,linux/arm64",
    ]
    flags += ["--debug", "--debug-shell", f"path:{flake}#tools", "--entrypoint", "sh"]
    there = from_far(publish, far, *flags, "--to", f"oci:{tmp_path}/far:1")
    assert there.code == 0, there.stderr
    local = publish(*flags, "--to", f"oci:{tmp_path}/here:1")
    assert local.code == 0, local.stderr

    def held(name: str) -> list[tuple[str, str]]:
        listed = json.loads((tmp_path / name / "index.json").read_text())["manifests"]
        return [(each["digest"], each["annotations"]["org.opencontainers.image.ref.name"]) for each in listed]

    assert held("far") == held("here")
    assert [name for _, name in held("far")] == ["1", "1-debug"]


def test_only_what_the_registry_lacks_comes_over(
    publish: Publish, far: FarMachine, registry: Registry, tmp_path: Path
) -> None:
    """What changes are the package and a small path; a large one stays, and is not read; nor is anything without a change."""
    salt, large = str(uuid.uuid4()), 6_000_000
    flake = tmp_path / "app"
    write_far_flake(flake, salt=salt, big=large)
    flags = ("--flake", f"path:{flake}#package", "--tags", f"{registry.host}/{registry.new_repository()}:1")
    with metered(f"127.0.0.1:{far.port}") as passed:
        relayed = replace(far, port=int(passed.host.rpartition(":")[2]))
        first = from_far(publish, relayed, *flags, "--plain-http", registry.host)
        assert first.code == 0, first.stderr
        assert passed.down > large
        write_far_flake(flake, salt=salt, big=large, change="two")
        before = passed.down
        second = from_far(publish, relayed, *flags, "--plain-http", registry.host)
        assert second.code == 0, second.stderr
        assert first.stdout != second.stdout
        assert passed.down - before < 200_000
        asked, before = far.commands, passed.down
        third = from_far(publish, relayed, *flags, "--plain-http", registry.host)
        assert third.stdout == second.stdout
        assert "is published already, so nothing is built" in third.stderr
        assert (far.commands, passed.down) == (asked, before), "nobody is asked there"


@pytest.mark.long
def test_an_archive_comes_over_once(publish: Publish, flake: Path, far: FarMachine) -> None:
    """What else comes are some kilobytes: answers, and what Nix says of its build."""
    size = (flake / "archives/layered.tar").stat().st_size
    with metered(f"127.0.0.1:{far.port}") as passed:
        relayed = replace(far, port=int(passed.host.rpartition(":")[2]))
        done = from_far(publish, relayed, "--flake", f"path:{flake}#archive", "--to", "oci:image")
    assert done.code == 0, done.stderr
    assert size < passed.down < size + 100_000


def refused(done: Ended, code: int, *words: str) -> None:
    assert done.code == code, done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr


def test_a_machine_that_is_not_reached(
    publish: Publish, flake: Path, far: FarMachine, tmp_path: Path
) -> None:
    """Each is found before anything is evaluated to be built, or sent."""
    flags = ("--flake", f"path:{flake}#package", "--to", "oci:image")
    unknown = from_far(publish, far, *flags, FLAKESHIP_SSH_KNOWN_HOSTS="")
    refused(unknown, 2, "store: the host key of", "is not known", "ssh-keyscan")
    other = new_key(tmp_path / "other")
    refused(from_far(publish, far, *flags, FLAKESHIP_SSH_KEY=other), 5, "does not take the key")
    kind, public, *_ = (tmp_path / "other.pub").read_text().split()
    changed = f"[127.0.0.1]:{far.port} {kind} {public}"
    refused(from_far(publish, far, *flags, FLAKESHIP_SSH_KNOWN_HOSTS=changed), 5, "shows another host key")
    far.kill()
    refused(from_far(publish, far, *flags), 6, "the store of", "Connection refused")
    assert not (tmp_path / "image/index.json").exists()


@pytest.mark.long
def test_what_fails_there(publish: Publish, flake: Path, far: FarMachine) -> None:
    refused(from_far(publish, far, "--flake", f"path:{flake}#fails"), 3, "exited with code 3", "it fails")
    contents = ("--contents", "/nix/store/00000000000000000000000000000001-none")
    none = from_far(publish, far, "--flake", f"path:{flake}#package", *contents)
    refused(none, 2, "there is no /nix/store/", f"in the Nix store on {far.address}")
    untold = from_far(publish, far, "--flake", f"path:{flake}#untold")
    refused(untold, 4, "would have to be run", "buildLayeredImage")


@pytest.mark.long
def test_a_user_who_is_not_trusted_there(
    publish: Publish, flake: Path, make_machine: MakeMachine, nix_environ: Mapping[str, str]
) -> None:
    """Sources and derivations are taken from anybody; what was built elsewhere and has no signature is not."""
    far = make_machine("wary", trusts="nobody")
    done = from_far(publish, far, "--flake", f"path:{flake}#package", "--to", "oci:image")
    assert done.code == 0, done.stderr
    (flake / "foreign").write_text(here(nix_environ, flake, "tools"))
    done = from_far(publish, far, "--flake", f"path:{flake}#foreign", "--impure", "--to", "oci:image")
    refused(done, 5, "the store of", "does not trust its user", "trusted-users")


@pytest.mark.long
@pytest.mark.parametrize("closed", [1, 2])
def test_a_connection_that_is_closed_before_a_build_is_made_once_more(
    publish: Publish, flake: Path, far: FarMachine, closed: int
) -> None:
    """The first is that of our own link, the second that of `nix build`."""
    far.closes = (closed,)
    done = from_far(publish, far, "--flake", f"path:{flake}#package", "--to", "oci:image")
    assert done.code == 0, done.stderr
    assert f"{far.address} closed the connection" in done.stderr
    assert far.reached == 3


@pytest.mark.long
def test_a_machine_that_is_lost_while_it_builds(publish: Publish, flake: Path, far: FarMachine) -> None:
    def lose() -> None:
        while not list((far.folder / "nix/store").glob("*-sleeps.lock")):
            time.sleep(0.1)
        time.sleep(1)
        far.drop()

    losing = threading.Thread(target=lose)
    losing.start()
    done = from_far(publish, far, "--flake", f"path:{flake}#sleeps")
    losing.join()
    refused(done, 3, "was lost while", "connection")


def test_a_network_that_swallows_everything_is_noticed_by_ssh(
    far: FarMachine, nix_environ: Mapping[str, str], mocker: MockerFixture, tmp_path: Path
) -> None:
    """Our own ssh_config with shorter times, so that it takes two seconds and not sixty."""
    quick = {**dict(ssh_config._PATIENT), "ServerAliveInterval": "1", "ServerAliveCountMax": "1"}
    mocker.patch.object(ssh_config, "_PATIENT", tuple(quick.items()))
    machine = Machine(Address("127.0.0.1", far.address.partition("@")[0], far.port), "far")
    files = {name: tmp_path / name for name in ("config", "key", "hosts")}
    files["hosts"].write_text(f"{far.known}\n")
    files["key"].touch(mode=0o600)
    files["key"].write_text(far.key)
    text = ssh_config.ssh_config(
        [machine], key=files["key"], hosts=files["hosts"], own_hosts=[files["hosts"]]
    )
    files["config"].write_text(text)
    link = FarLink(machine=machine, ssh=("ssh", "-F", str(files["config"])), environ=nix_environ, emit=ignore)
    store = FarStore(link)
    path = "/nix/store/00000000000000000000000000000001-none"
    assert not store.holds(path)
    far.freeze()
    assert not store.holds(path), "over another connection, which is not frozen"
    assert far.reached == 2
    store.close()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_machine_with_a_newer_nix(
    publish: Publish, flake: Path, far: FarMachine, newer_nix: Path, tmp_path: Path
) -> None:
    serve_by(newer_nix, far)
    for kind in ("package", "script"):
        flags = ("--flake", f"path:{flake}#{kind}", "--created", "keep")
        there = from_far(publish, far, *flags, "--to", f"oci:{tmp_path}/far-{kind}")
        assert there.code == 0, there.stderr
        assert re.search(r"\(Nix 2\.(?:2[0-9]|[3-9][0-9])", there.stderr)
        assert publish(*flags, "--to", f"oci:{tmp_path}/here-{kind}").code == 0
        assert manifest(tmp_path / f"far-{kind}") == manifest(tmp_path / f"here-{kind}")
    refused(from_far(publish, far, "--flake", f"path:{flake}#fails"), 3, "exited with code 3", "it fails")
