"""A stand-in for Sigstore's public servers, which no test can reach: Fulcio, its log of certificates, and Rekor, each with a key of its own.

It speaks the protocols and stands for no product: what it certifies only those believe who are given its `trust`. What is real
is the library that signs and verifies, and cosign where a test runs it.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

IDENTITY: Final = "https://github.com/octo/app/.github/workflows/image.yml@refs/heads/main"
ISSUER: Final = "https://token.actions.githubusercontent.com"

_SCT_LIST: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER_V1: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_ORIGIN: Final = "rekor.stand-in - 1"


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(slots=True)
class Sigstore:
    """`asked` are the paths that were asked, `answers` what a path is answered in place of the right thing: a status and a text, or a
    number of seconds to be silent for. A certificate is for `usages`, and the log
    takes note of its signature `late` by so many seconds: it lasts ten minutes.
    """

    identity: str = IDENTITY
    issuer: str = ISSUER
    late: int = 0
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, str] | float] = field(default_factory=dict)
    _ca: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    _ct: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    _rekor: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    _server: ThreadingHTTPServer = field(init=False)
    _root: x509.Certificate = field(init=False)
    _entries: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._root = self._root_certificate()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def token(self, *, seconds: int = 600) -> str:
        """A token as a job of CI shows it. Nobody checks who signed it: Fulcio does that, and this is a stand-in for it."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "sigstore",
            "sub": "repo:octo/app:ref:refs/heads/main",
            "job_workflow_ref": self.identity.removeprefix("https://github.com/"),
            "iat": now,
            "nbf": now - 1,
            "exp": now + seconds,
        }
        parts = [{"alg": "HS256", "typ": "JWT"}, claims]
        texts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts]
        return ".".join([*texts, "c2lnbmF0dXJl"])

    @property
    def job(self) -> dict[str, str]:
        """The variables by which a job of GitHub asks for its identity."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "right",
        }

    @property
    def trusted_root(self) -> dict[str, Any]:
        """The document that says whom to believe: `cosign verify --trusted-root` takes it too."""
        valid = {"start": "2020-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": self.url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _b64(_der(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": {"keyId": _b64(hashlib.sha256(_der(key)).digest())},
            }

        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self._rekor)],
            "ctlogs": [log(self._ct)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "stand-in", "commonName": "stand-in"},
                    "uri": self.url,
                    "certChain": {
                        "certificates": [
                            {"rawBytes": _b64(self._root.public_bytes(serialization.Encoding.DER))}
                        ]
                    },
                    "validFor": valid,
                }
            ],
            "timestampAuthorities": [],
        }

    @property
    def trust(self) -> str:
        """The client's configuration of trust, which `ClientTrustConfig.from_json` reads."""
        service = {
            "url": self.url,
            "majorApiVersion": 1,
            "validFor": {"start": "2020-01-01T00:00:00Z"},
            "operator": "stand-in",
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
                "trustedRoot": self.trusted_root,
                "signingConfig": {
                    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                    "caUrls": [service],
                    "oidcUrls": [],
                    "rekorTlogUrls": [service],
                    "rekorTlogConfig": {"selector": "ANY"},
                    "tsaUrls": [],
                    "tsaConfig": {"selector": "ANY"},
                },
            }
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self
        routes: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "/api/v2/signingCert": self._certify,
            "/api/v1/log/entries": self._log,
        }

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in.asked.append(self.path)
                instead = stand_in.answers.get(self.path)
                if isinstance(instead, float):
                    stand_in._ended.wait(instead)
                    return
                status, text = instead or (201, json.dumps(routes[self.path](json.loads(body))))
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                """The address at which GitHub hands a job its identity: https://docs.github.com/actions/reference/security/oidc."""
                stand_in.asked.append(self.path)
                whole = (
                    self.path == "/token?api=1&audience=sigstore"
                    and self.headers["Authorization"] == "bearer right"
                )
                self.send_response(200 if whole else 401)
                self.end_headers()
                self.wfile.write(json.dumps({"value": stand_in.token()} if whole else {}).encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _root_certificate(self) -> x509.Certificate:
        key = self._ca.public_key()
        return (
            self._builder(_name(), key, dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(self._ca, hashes.SHA256())
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lasts: dt.timedelta
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name())
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=1))
            .not_valid_after(now + lasts)
        )

    def _certify(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Fulcio: https://github.com/sigstore/fulcio/blob/main/fulcio.proto."""
        request = x509.load_pem_x509_csr(base64.b64decode(asked["certificateSigningRequest"]))
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        issuer = self.issuer.encode()
        builder = (
            self._builder(x509.Name([]), key, dt.timedelta(minutes=10))
            .add_extension(_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage(self.usages), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca.public_key()), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.identity)]), critical=True
            )
            .add_extension(x509.UnrecognizedExtension(_ISSUER_V1, issuer), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(_ISSUER_V2, bytes([0x0C, len(issuer)]) + issuer), critical=False
            )
        )
        before = builder.sign(self._ca, hashes.SHA256())
        stamped = builder.add_extension(
            x509.UnrecognizedExtension(_SCT_LIST, self._stamp(before.tbs_certificate_bytes)), critical=False
        ).sign(self._ca, hashes.SHA256())
        pem = [each.public_bytes(serialization.Encoding.PEM).decode() for each in (stamped, self._root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": pem}}}

    def _stamp(self, certificate: bytes) -> bytes:
        """The list with the one timestamp of the log of certificates: https://www.rfc-editor.org/rfc/rfc6962#section-3.2."""
        now = int(time.time() * 1000)
        length = len(certificate).to_bytes(3)
        issuer = hashlib.sha256(_der(self._ca)).digest()
        signed = struct.pack("!BBQH", 0, 0, now, 1) + issuer + length + certificate + b"\0\0"
        signature = self._ct.sign(signed, ec.ECDSA(hashes.SHA256()))
        log = hashlib.sha256(_der(self._ct)).digest()
        timestamp = struct.pack("!B32sQHBBH", 0, log, now, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!HH", len(timestamp) + 2, len(timestamp)) + timestamp
        assert len(listed) < 128  # one byte in DER
        return bytes([0x04, len(listed)]) + listed

    def _log(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """Rekor, each of whose entries is alone in its tree: https://github.com/sigstore/rekor/blob/main/openapi.yaml."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = hashlib.sha256(base64.b64decode(envelope["payload"])).hexdigest()
        whole = hashlib.sha256(content["envelope"].encode()).hexdigest()
        body = _canonical(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": whole},
                    "payloadHash": {"algorithm": "sha256", "value": payload},
                    "signatures": [
                        {"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]}
                    ],
                },
            }
        )
        root = hashlib.sha256(b"\0" + body).digest()
        log = hashlib.sha256(_der(self._rekor)).digest()
        note = f"{_ORIGIN}\n1\n{_b64(root)}\n"
        sealed = self._rekor.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        self._entries += 1
        entry: dict[str, Any] = {
            "body": _b64(body),
            "integratedTime": int(time.time()) + self.late,
            "logID": log.hex(),
            "logIndex": 0,
        }
        promised = self._rekor.sign(_canonical(entry), ec.ECDSA(hashes.SHA256()))
        entry["verification"] = {
            "signedEntryTimestamp": _b64(promised),
            "inclusionProof": {
                "checkpoint": f"{note}\n\N{EM DASH} rekor.stand-in {_b64(log[:4] + sealed)}\n",
                "hashes": [],
                "logIndex": 0,
                "rootHash": root.hex(),
                "treeSize": 1,
            },
        }
        return {root.hex(): entry}


def _name() -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "stand-in"),
            x509.NameAttribute(NameOID.COMMON_NAME, "stand-in"),
        ]
    )


def _usage(*, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
