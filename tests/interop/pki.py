"""The PKI of the house, with responders that answer over HTTP: OCSP for signers and authority, a CRL for the CAs.

root ── issuing ── signers, one a kind of key and path
   └─── tsa issuing ── tsa, whose key is in the token

>>> with serving() as pki:                                                        # doctest: +SKIP
...     pki.issue("Người ký", public_key)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509 import ocsp

from tests.longterm_support import World, now
from tests.unit.verify import world as small
from tests.unit.verify.world import Entity
from verify.fetcher import FetchRequest


@dataclass(frozen=True)
class Elsewhere:
    """A key that somebody else holds: all that a certificate needs of it."""

    held: PublicKeyTypes

    def public_key(self) -> PublicKeyTypes:
        return self.held


@dataclass
class Pki(World):
    """The world of the long-term tests, at an address that really answers."""

    url: str = ""
    issued: list[Entity] = field(default_factory=list)

    def __post_init__(self) -> None:
        at_root = {"ca": True, "crl_url": f"{self.url}/root.crl"}
        self.root = small.certificate("Interop Root", ca=True)
        self.issuing = small.certificate("Interop Issuing CA", issuer=self.root, **at_root)
        self.tsa_issuing = small.certificate("Interop TSA CA", issuer=self.root, **at_root)
        self.responder = small.certificate("Interop OCSP", issuer=self.issuing, ocsp_signing=True)
        self.tsa_responder = small.certificate("Interop TSA OCSP", issuer=self.tsa_issuing, ocsp_signing=True)

    def issue(self, name: str, public_key: PublicKeyTypes, *, timestamping: bool = False) -> Entity:
        """A certificate for a key that is elsewhere, with the address of its responder."""
        made = small.certificate(
            name,
            issuer=self.tsa_issuing if timestamping else self.issuing,
            timestamping=timestamping,
            ocsp_url=f"{self.url}/ocsp",
            key=Elsewhere(public_key),
        )
        self.issued.append(made)
        return made

    def answer_to(self, path: str, body: bytes) -> bytes | None:
        """What the house's server says; None where nothing is."""
        self.at = now()
        if path == "/root.crl":
            return self.root_list()
        if path == "/ocsp":
            return self.status(FetchRequest(url=path, kind="ocsp", body=body))
        return None

    def evidence(self) -> dict[str, bytes]:
        """What a reader needs who may ask nobody, of documents that hold no evidence themselves, by file name."""
        found = {"root.crl": self.root_list()}
        for number, one in enumerate(self.issued):
            by_tsa = one.certificate.issuer == self.tsa_issuing.certificate.subject
            issuer = self.tsa_issuing if by_tsa else self.issuing
            asked = ocsp.OCSPRequestBuilder().add_certificate(one.certificate, issuer.certificate, hashes.SHA1())
            body = asked.build().public_bytes(serialization.Encoding.DER)
            answered = self.answer_to("/ocsp", body)
            assert answered is not None
            found[f"{number}.ocsp"] = answered
        return found


def pem(entity: Entity) -> str:
    return entity.certificate.public_bytes(serialization.Encoding.PEM).decode()


@contextmanager
def serving(port: int) -> Iterator[Pki]:
    """A PKI whose responders listen on a loopback port until the block ends."""
    pki = Pki(url=f"http://127.0.0.1:{port}")

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = pki.answer_to(self.path, body)
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Silence: the reader's own complaints tell more."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield pki
    finally:
        server.shutdown()
        server.server_close()
