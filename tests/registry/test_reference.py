"""The grammar of references: what is read as what, and which broken rule is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import UsageError
from flakeship.registry.hints import hint_for_implied
from flakeship.registry.reference import Reference, normal_registry

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("ghcr.io/owner/name:v1", "ghcr.io", "owner/name", "v1", None),
        ("alpine", "docker.io", "library/alpine", None, None),
        ("alpine:3", "docker.io", "library/alpine", "3", None),
        ("owner/name", "docker.io", "owner/name", None, None),
        ("index.docker.io/alpine", "docker.io", "library/alpine", None, None),
        ("docker.io/owner/name", "docker.io", "owner/name", None, None),
        ("registry-1.docker.io/owner/name", "docker.io", "owner/name", None, None),
        ("localhost/name", "localhost", "name", None, None),
        ("localhost:5000/name:1", "localhost:5000", "name", "1", None),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", None, None),
        ("[::1]:5000/a:b", "[::1]:5000", "a", "b", None),
        ("GHCR.io/owner/name", "ghcr.io", "owner/name", None, None),
        ("ghcr.io:65535/a", "ghcr.io:65535", "a", None, None),
        (f"example.org/a__b/c-d.e@{DIGEST}", "example.org", "a__b/c-d.e", None, DIGEST),
        (f"example.org/a:t@{DIGEST}", "example.org", "a", "t", DIGEST),
        (f"example.org/a:{'t' * 128}", "example.org", "a", "t" * 128, None),
    ],
)
def test_references_are_read(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    read = Reference.parse(text)
    assert (read.registry, read.repository, read.tag, read.digest) == (registry, repository, tag, digest)
    assert Reference.parse(str(read)) == read


@pytest.mark.parametrize(
    ("text", "why", "hint"),
    [
        ("", "empty", "ghcr.io/owner/name:tag"),
        ("ghcr.io/Owner/Name:v1", "lower case", "ghcr.io/owner/name:v1"),
        ("https://ghcr.io/a/b", "is a URL", "leave the https:// out"),
        ("ghcr.io/a//b", "is empty", ""),
        ("ghcr.io/", "is empty", ""),
        ("ghcr.io/a/", "is empty", ""),
        ("ghcr.io/a..b", "not a repository's name", "periods"),
        ("ghcr.io/a___b", "not a repository's name", "underscores"),
        ("ghcr.io/-a", "not a repository's name", ""),
        ("ghcr.io/a:", "no tag stands behind the colon", "leave the colon out"),
        (f"ghcr.io/a:@sha256:{'0' * 64}", "no tag stands behind the colon", "leave the colon out"),
        ("ghcr.io/a:.b", "may not begin with a period", "1 to 128"),
        (f"ghcr.io/a:{'t' * 129}", "it is 129 long", "1 to 128"),
        ("ghcr.io/a:b:c", "not a tag", ""),
        ("ghcr.io/a:latest\n", "a space or a line break", ""),
        ("ghcr.io/a b", "a space or a line break", ""),
        ("ghcr.io/ä", "outside ASCII", ""),
        ("ghcr.io/a@sha256:abc", "is not a digest", "write behind the @ the digest of an image"),
        ("ghcr.io/a@", "is not a digest", "what it comes from is not empty"),
        (f"ghcr.io/a@{'0' * 64}", "is not a digest", f"write ghcr.io/a@sha256:{'0' * 64}"),
        ("ghcr.io:99999/a", "not a host", ""),
        ("ghcr.io:x/a", "not a host", ""),
        ("[::zz]/a", "not a host", ""),
        ("[1:2]/a", "not a host", ""),
        ("ghcr.io:0/a", "not a host", ""),
        ("ghcr.io:65536/a", "not a host", ""),
        (f"ghcr.io/{'a' * 250}", "255 is the limit", ""),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        Reference.parse(text)
    assert why in raised.value.message
    assert hint in raised.value.hint


def test_the_hub_is_served_elsewhere() -> None:
    assert Reference.parse("alpine").api_host == "registry-1.docker.io"
    assert Reference.parse("ghcr.io/a/b").api_host == "ghcr.io"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://GHCR.io", "ghcr.io"),
        ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000"),
        ("", ""),
    ],
)
def test_registries_of_configurations_get_one_name(text: str, name: str) -> None:
    assert normal_registry(text) == name


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    refused = None
    try:
        assert Reference.parse(str(read := Reference.parse(text))) == read
    except UsageError as error:
        refused = error
    assert refused is None or ("\n" not in refused.message and refused.hint)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("h/a b", "it holds a space or a line break"),
        ("h/a\nb", "it holds a space or a line break"),
        ("h/\u00e4", "it holds '\\xe4', a character outside ASCII"),
        ("h/a\x07", "it holds '\\x07', a control character"),
    ],
)
def test_it_is_said_what_is_foreign_to_a_reference(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse(text)
    assert caught.value.message.endswith(f"is not an image reference: {why}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "app:1",
            "put your registry and name in front (ghcr.io/owner/app:1), since 'app:1' means docker.io/library/app:1",
        ),
        (
            "app",
            "put your registry and name in front (ghcr.io/owner/app), since 'app' means docker.io/library/app",
        ),
        ("me/app:1", ""),
        ("ghcr.io/library/app:1", ""),
        ("localhost/app:1", "write the port of a registry on this machine (localhost:5000/app)"),
        ("localhost:5000/app:1", ""),
    ],
)
def test_a_name_without_a_host_is_one_of_docker_hub(text: str, hint: str) -> None:
    reference = Reference.parse(text)
    said = hint_for_implied(reference.registry, reference.repository, reference.tag or "")
    assert said.startswith(hint)
    assert bool(said) == bool(hint)
    if said:
        engine = "containers-storage" if text.startswith("localhost") else "docker-daemon"
        assert f"`to: {engine}:{text}`" in said
