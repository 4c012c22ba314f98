"""What is done wrong on the page of messages: a title for each, and the command line, or what Nix printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.attest.test_keys import cosign_key
from tests.nix.samples import BUILDER_FAILED, DRV, FAILS, MISSING_FEATURE, WRONG_SYSTEM

PUSH: Final = "publish --source image.tar --tags"


@dataclass(frozen=True)
class Case:
    """One failure. `{here}` in `command` is the address of a registry that answers as `answer` says: status and body."""

    title: str
    command: str
    environ: Mapping[str, str] = field(default_factory=dict)
    answer: tuple[int, str] = (404, "")


@dataclass(frozen=True)
class NixCase:
    """What Nix printed (`text`), with the end of a builder's log."""

    title: str
    text: str
    tail: tuple[str, ...] = ()


CHANGED: Final = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": f"sha256:{'0' * 64}",
            "size": 7,
        },
        "layers": [],
    }
)
"""The manifest of an image whose config has other bytes than its digest says."""

COMMANDS: Final = (
    # what to publish
    Case("An option that does not exist", "publish .#image --taggs ghcr.io/me/app:1"),
    Case("An option of skopeo", "publish .#image --dest-creds me:secret"),
    Case("A variable that names no input", "publish .#image", {"FLAKESHIP_TAG": "ghcr.io/me/app:1"}),
    Case("A secret in place of the name of its file", "publish .#image", {"FLAKESHIP_PASSWORD_FILE": "hunter2"}),
    Case("A flake and a source", "publish --flake .#image --source image.tar"),
    Case("A name of Nix's registry of flakes in place of a folder", "publish app#image --to oci:out"),
    Case("A folder that does not exist", "publish ./missing#image --to oci:out"),
    Case("A folder without flake.nix", "publish ./folder#image --to oci:out"),
    Case("A flake.nix in place of its folder", "publish ./app/flake.nix --to oci:out"),
    Case("A store path in place of a flake", "publish /nix/store/00000000000000000000000000000000-image --to oci:out"),
    Case("An attribute with an empty name", "publish --flake '.#a..b' --to oci:out"),
    Case("A password in the address of a flake", "publish --flake git+https://me:secret@git.example/app#image --to oci:out"),
    Case("An attribute without its file", "publish --attr image --to oci:out"),
    # signing
    Case("A signature without a key", f"{PUSH} ghcr.io/me/app:1 --sign key"),
    Case("The name of a file in place of a key", f"{PUSH} ghcr.io/me/app:1", {"FLAKESHIP_SIGNING_KEY": "cosign.key"}),
    Case("A key with a wrong password", f"{PUSH} ghcr.io/me/app:1", {"FLAKESHIP_SIGNING_KEY": cosign_key(), "FLAKESHIP_SIGNING_PASSWORD": "wrong"}),
    Case("A public log for a repository that is not known to be public", f"{PUSH} ghcr.io/me/app:1 --sign keyless"),
    # builders
    Case("A builder that is not reached over ssh", "publish ./app#image --to oci:out --builders https://b1.example"),
    Case("A builder for a system that there is not", "publish ./app#image --to oci:out --builders 'b1.example arm64'"),
    Case("A builder that is named twice", "publish ./app#image --to oci:out --builders 'b1.example; b1.example aarch64-linux'"),
    Case("A file of builders that does not exist", "publish ./app#image --to oci:out --builders @machines"),
    Case("A key of a builder that is no key", "publish ./app#image --to oci:out --builders 'b1.example - folder/file'"),
    # a Nix cache
    Case("A size of a cache that is not one", "publish ./app#image --to oci:out --nix-cache 'oci:cache?size=lots'"),
    Case("A number of days that is not one", "publish ./app#image --to oci:out --nix-cache 'oci:cache?days=0'"),
    Case("A parameter of a cache that there is not", "publish ./app#image --to oci:out --nix-cache 'oci:cache?age=3'"),
    Case("A place for a cache that is not one", "publish ./app#image --to oci:out --nix-cache s3://bucket"),
    Case("A cache beside an image without a name", "publish ./app#image --to oci:out --nix-cache registry"),
    Case("A cache beside an image of Docker Hub", "publish ./app#image --images me/app --nix-cache registry"),
    Case("A cache with a tag", "publish ./app#image --to oci:out --nix-cache docker://ghcr.io/me/cache:main"),
    Case("A password in the address of a cache", "publish ./app#image --to oci:out --nix-cache https://me:secret@cache.example"),
    Case("A key of a cache that is no key", "publish ./app#image --to oci:out --nix-cache oci:cache", {"FLAKESHIP_NIX_CACHE_KEY": "app-1:AAAA"}),
    Case("A cache of what another machine builds and keeps", "publish ./app#image --to oci:out --nix-cache oci:cache --store ssh-ng://b1.example"),
    Case("A name of a Cachix cache that is not one", "publish ./app#image --to oci:out --cachix https://mine.cachix.org"),
    Case("A cache to look at that is not named", "cache list"),
    Case("A cache to look at that is not there", "cache list --nix-cache oci:nowhere"),
    Case("A cache to look at that is something else", "cache verify --nix-cache oci:folder"),
    Case("A cache to look at of another kind", "cache list --nix-cache https://cache.example"),
    Case("A cache to look at that asks for credentials", "cache list --nix-cache docker://{here}/me/cache", {}, (401, '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')),
    Case("A cache to prune without the right to", "cache prune --nix-cache docker://{here}/me/cache", {}, (403, '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}')),
    Case("A registry that limits requests for a cache to look at", "cache verify --nix-cache docker://{here}/me/cache", {}, (429, '{"errors":[{"code":"TOOMANYREQUESTS","message":"rate exceeded"}]}')),
    # a far store
    Case("A store that only keeps archives", "publish ./app#image --to oci:out --store s3://cache"),
    Case("A far store beside builders", "publish ./app#image --to oci:out --store ssh-ng://b1.example --builders b2.example"),
    Case("A far store whose host key nobody knows", "publish ./app#image --to oci:out --store ssh-ng://far.invalid"),
    # names
    Case("A tag without a name", "publish --source image.tar --tags 1.0"),
    Case("A name in upper case", f"{PUSH} Me/App:1"),
    Case("A URL in place of a reference", f"{PUSH} https://ghcr.io/me/app:1"),
    Case("A tag with a character that no tag has", f"{PUSH} ghcr.io/me/app:feature/x"),
    Case("A variable that was not filled in", f"{PUSH} 'ghcr.io/me/app:$TAG'"),
    Case("A digest in place of a tag", f"{PUSH} ghcr.io/me/app@sha256:{'0' * 64}"),
    Case("A template in a reference", f"{PUSH} 'ghcr.io/me/app:{{{{version}}}}'"),
    Case("A tag with a variable that was not filled in", "metadata --images a/b --tags 'pr-%!f(<nil>)'"),
    Case("A tag that may be a branch", "metadata --images a/b --tags feature/x"),
    Case("A rule of an unknown type", "metadata --images a/b --tags type=foo"),
    Case("A rule with an unknown key", "metadata --images a/b --tags type=raw,vale=x"),
    Case("A template that is never closed", "metadata --images a/b --tags 'type=raw,value={{sha'"),
    Case("A name in a template that does not exist", "metadata --images a/b --tags 'type=raw,value={{brunch}}'"),
    Case("A label without a value", "metadata --images a/b --labels =x"),
    Case("An unknown level of an annotation", "metadata --images a/b --annotations indx:a=1"),
    # values
    Case("A number that is not one", "publish --source image.tar --to oci:out --compression-level high"),
    Case("A level that gzip does not take", "publish --source image.tar --to oci:out --compression gzip --compression-level 9"),
    Case("A choice that does not exist", "publish --source image.tar --to oci:out --compression gzp"),
    Case("Docker's media types with zstd", "publish --source image.tar --to oci:out --media-types docker --compression zstd"),
    Case("A size without a unit", "publish --source image.tar --to oci:out --layer-cache-size 500"),
    Case("A date that is not one", "publish --source image.tar --to oci:out --created yesterday"),
    Case("A platform that is not one", "publish --source image.tar --to oci:out --platforms linux"),
    Case("A user that is not one", "publish --source image.tar --to oci:out --user 'a b'"),
    Case("A port that is not one", "publish --source image.tar --to oci:out --expose http"),
    Case("A variable without a value", "publish --source image.tar --to oci:out --env PATH"),
    Case("A command line that is not closed", "publish --source image.tar --to oci:out --cmd '[\"sh\"'"),
    Case("A health check that is not one", "publish --source image.tar --to oci:out --healthcheck 'curl /'"),
    Case("A setting that is not one of nix.conf", "publish .#image --to oci:out --nix-config max-jobs=1x"),
    Case("A public key that is not one", "publish ./app#image --to oci:out --substituters https://cache.example --trusted-public-keys abc"),
    # destinations
    Case("A destination that does not exist", "publish --source image.tar --to s3://bucket/image"),
    Case("A destination without a path", "publish --source image.tar --to oci:"),
    Case("A folder that holds something else", "publish --source image.tar --to oci:folder"),
    Case("An archive in place of a folder", "publish --source image.tar --to docker-archive:folder"),
    Case("Two destinations in one file", "publish --source image.tar --to docker-archive:a.tar --to oci-archive:a.tar"),
    # access
    Case("A user without a password", f"{PUSH} ghcr.io/me/app:1 --username me"),
    Case("A file of credentials that does not exist", f"{PUSH} ghcr.io/me/app:1 --authfile auth.json"),
    Case("A file of credentials that is not one", f"{PUSH} ghcr.io/me/app:1 --authfile folder/file"),
    Case("Credentials in place of a file's path", f"{PUSH} ghcr.io/me/app:1", {"REGISTRY_AUTH_FILE": '{"auths": {}}'}),
    Case("A certificate that does not exist", f"{PUSH} ghcr.io/me/app:1 --ca ca.pem"),
    Case("A proxy that is not one", f"{PUSH} ghcr.io/me/app:1", {"HTTPS_PROXY": "socks5://127.0.0.1:1"}),
    # the image
    Case("A source that does not exist", "publish --source missing.tar --to oci:out"),
    Case("A file that is not an image", "publish --source folder/file --to oci:out"),
    Case("A JSON document", "publish --source some.json --to oci:out"),
    Case("A script that may not be executed", "publish --source script --to oci:out"),
    Case("An empty file", "publish --source empty --to oci:out"),
    Case("A pointer of git LFS", "publish --source pointer --to oci:out"),
    Case("A zip file", "publish --source some.zip --to oci:out"),
    Case("A tar that is not an image", "publish --source rootfs.tar --to oci:out"),
    Case("An archive that was cut off", "publish --source cut.tar --to oci:out"),
    Case("A gzip file with something behind its end", "publish --source trailing.tar.gz --to oci:out"),
    Case("A platform that the image is not for", "publish --source image.tar --to oci:out --platforms linux/arm64"),
    Case("One of several images", "publish --source several.tar --to oci:out"),
    Case("A folder that is not an image", "publish --source folder --to oci:out"),
    Case("What lint finds, as an error", "publish --source image.tar --to oci:out --lint strict"),
    # registries
    Case("A registry that asks for credentials", f"{PUSH} {{here}}/me/app:1", {}, (401, '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')),
    Case("A registry that refuses the push", f"{PUSH} {{here}}/me/app:1 --username me", {"FLAKESHIP_PASSWORD": "canary-of-the-page"}, (403, '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}')),
    Case("A repository that does not exist", f"{PUSH} {{here}}/me/app:1", {}, (404, '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}')),
    Case("A registry that limits requests", f"{PUSH} {{here}}/me/app:1", {}, (429, '{"errors":[{"code":"TOOMANYREQUESTS","message":"rate exceeded"}]}')),
    Case("A registry in trouble", f"{PUSH} {{here}}/me/app:1", {}, (503, "no healthy upstream")),
    Case("A proxy with a limit", f"{PUSH} {{here}}/me/app:1", {}, (413, "<html>413 Request Entity Too Large</html>")),
    Case("A registry that does not listen", f"{PUSH} 127.0.0.1:1/me/app:1"),
    Case("An image to inspect that does not exist", "inspect {here}/me/app:1"),
    Case("An image to inspect without access", "inspect {here}/me/app:1", {}, (401, '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')),
    Case("Nothing to inspect", "inspect"),
    Case("Nothing to compare", "diff"),
    Case("One image to compare, and no other", "diff image.tar"),
    Case("An image to compare that does not exist", "diff image.tar {here}/me/app:1"),
    Case("A package that is not in the image", "why image.tar bussybox"),
    Case("No package to look for", "why image.tar"),
    Case("Nothing to verify", "verify"),
    Case("An image to verify that does not exist", "verify {here}/me/app:1"),
    Case("A key to verify with that is not one", "verify ghcr.io/me/app:1 --key some.json"),
    Case("An identity without its issuer", "verify ghcr.io/me/app:1 --certificate-identity https://github.com/me/app"),
    Case("An image whose bytes the registry has changed", "verify {here}/me/app:1", {}, (200, CHANGED)),
    Case("Nothing to make an SBOM of", "sbom"),
    Case("An SBOM of a path that is not there", f"sbom /nix/store/{'0' * 32}-app-1.0"),
    Case("An SBOM in a format of something else", "sbom image.tar --format gitlab"),
    Case("Nix is not installed", "publish .#image --to oci:out", {"PATH": "/nonexistent"}),
)  # fmt: skip

NIX: Final = (
    NixCase("A build failed", BUILDER_FAILED["2.34"] if "2.34" in BUILDER_FAILED else next(iter(BUILDER_FAILED.values())), ("make: *** No rule to make target 'all'.",)),
    NixCase("Memory ran out", f"error: builder for '{FAILS}' failed due to signal 9 (Killed)"),
    NixCase("A builder was silent for too long", f"error: building of '{FAILS}!out' from .drv file timed out after 3600 seconds of silence"),
    NixCase("The disk is full", "error: writing to file: No space left on device"),
    NixCase("The package is for another system", next(iter(WRONG_SYSTEM.values()))),
    NixCase("No machine builds for the system", "Failed to find a machine for remote build!\nderivation: app.drv\nrequired (system, features): (riscv64-linux, [])\nerror: Unable to start any build; remote machines may not have all required system features."),
    NixCase("Nobody may build", "error: Unable to start any build; either increase '--max-jobs' or enable remote builds."),
    NixCase("The package needs a feature of the machine", next(iter(MISSING_FEATURE.values()))),
    NixCase("A source has another hash", f"error: hash mismatch in fixed-output derivation '{DRV}':\n         specified: sha256-AAAA=\n            got:    sha256-BBBB="),
    NixCase("The licence is unfree", "error: Package ‘vault-1.2’ in /nix/store/x:3 has an unfree license (‘bsl11’), refusing to evaluate."),  # noqa: RUF001 - as nixpkgs writes
    NixCase("The package is insecure", "error: Package ‘app-1.0’ in /nix/store/x:3 is marked as insecure, refusing to evaluate."),  # noqa: RUF001
    NixCase("The package is broken", "error: Package ‘app-1.0’ in /nix/store/x:3 is marked as broken, refusing to evaluate."),  # noqa: RUF001
    NixCase("The flake reads something outside", "error: access to absolute path '/etc' is forbidden in pure eval mode (use '--impure' to override)"),
    NixCase("An experimental feature is off", "error: experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features ca-derivations' to override"),
    NixCase("A private source, or a rate limit", "error: unable to download 'https://api.github.com/repos/o/r': HTTP error 404"),
    NixCase("A source can't be downloaded", "error: unable to download 'https://x.example/a.tgz': Couldn't resolve host name (6)"),
    NixCase("A file is not in the flake's source", "error: getting status of '/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/a.nix': No such file or directory"),
    NixCase("<nixpkgs> is not known", "error: file 'nixpkgs' was not found in the Nix search path (add it using $NIX_PATH or -I)"),
    NixCase("Nix's daemon does not answer", "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused"),
    NixCase("Nix can't write to its store", "error: creating directory '/nix/store': Read-only file system"),
    NixCase("A shallow repository", "error: '/w' is a shallow Git repository, but a non-shallow repository is needed"),
    NixCase("Anything else", "error: undefined variable 'foo'"),
)  # fmt: skip
