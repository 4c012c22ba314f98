"""A stand-in for registries that have the referrers API, which none of the real ones here has, and for those that lie about it.

It speaks the protocol and stands for no product. What needs no such API is tested at docker-registry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from tests.testbed.registry_faults import Answer
from tests.testbed.registry_memory import Asked, MemoryRegistry, _error

Manner: TypeAlias = Literal["tells", "lies", "shows HTML", "refuses", "takes only 1.0", "takes none"]
"""`tells`: one descriptor a page, whatever the filter; `lies`: 2xx with an empty list; `refuses`: 405 for the API and for a manifest with a
subject; `takes only 1.0`: 400 for an artifactType and for a config of another type than an image's, as GitLab."""

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(slots=True)
class ReferrersRegistry(MemoryRegistry):
    manner: Manner = "tells"

    def _answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        name, api, digest = parts.path.removeprefix("/v2/").partition("/referrers/")
        if api:
            return self._referrers(name, digest, int(parse_qs(parts.query).get("page", ["0"])[0]))
        return MemoryRegistry._answer(self, asked)

    def _referrers(self, name: str, digest: str, page: int) -> Answer:
        found: list[dict[str, object]] = []
        match self.manner:
            case "refuses":
                return Answer(405)
            case "takes only 1.0" | "takes none":
                return Answer(404)
            case "shows HTML":
                return Answer(200, {"Content-Type": "text/html"}, b"<html>not here</html>")
            case "tells":
                for (repository, reference), (media_type, data) in sorted(self.manifests.items()):
                    document = json.loads(data)
                    if (
                        repository == name
                        and ":" in reference
                        and document.get("subject", {}).get("digest") == digest
                    ):
                        entry = {"mediaType": media_type, "digest": reference, "size": len(data)}
                        kept = {
                            key: document[key] for key in ("artifactType", "annotations") if key in document
                        }
                        found.append(entry | kept)
            case _:
                pass
        headers = {"Content-Type": INDEX}
        if page + 1 < len(found):
            headers["Link"] = f'</v2/{name}/referrers/{digest}?page={page + 1}>; rel="next"'
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found[page : page + 1]}
        return Answer(200, headers, json.dumps(body).encode())

    def _put_manifest(self, asked: Asked, name: str, reference: str) -> Answer:
        document = json.loads(asked.body or b"")
        artifact = "artifactType" in document or "subject" in document
        if self.manner == "refuses" and artifact:
            return Answer(405)
        if (
            self.manner == "takes none"
            and "layers" in document
            and document["layers"][0]["mediaType"] not in _LAYERS
        ):
            return _error(415, "UNSUPPORTED")
        if self.manner == "takes only 1.0" and artifact:
            return _error(400, "MANIFEST_INVALID")
        answer = MemoryRegistry._put_manifest(self, asked, name, reference)
        if self.manner == "tells" and artifact and answer.status == 201:
            answer.headers["OCI-Subject"] = document["subject"]["digest"]
        return answer


_LAYERS = frozenset({"application/vnd.oci.image.layer.v1.tar+gzip"})

__all__ = ["Manner", "ReferrersRegistry"]
