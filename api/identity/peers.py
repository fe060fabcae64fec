"""Who is at the other end of a connection: the client's certificate, put where ASGI's TLS extension has it.

uvicorn knows no such thing, so a connection does it itself: `scope["extensions"]["tls"]["client_cert_chain"]` holds the
client's certificate as PEM (that one alone: OpenSSL has verified the rest). When the CAs or CRLs were replaced since the
handshake it is left out, `client_cert_error` says `stale`, and the connection ends with its answer.

    uvicorn.Config(app, http=showing(identity), ssl_context_factory=lambda *_: identity.listening())
"""

from __future__ import annotations

import ssl
from typing import Any, ClassVar

from api.protocol import Bounded
from api.tls import Identity

STALE = "stale"


class Showing(Bounded):
    """One connection over TLS."""

    identity: ClassVar[Identity]
    _pem: str | None = None
    _stale = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        der = _ssl_object(transport).getpeercert(binary_form=True)
        self._pem = None if der is None else ssl.DER_cert_to_PEM_cert(der)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._pem is None:
            return
        self._stale = not self.identity.is_current(_ssl_object(self.transport))
        shown = () if self._stale else (self._pem,)
        self.scope["extensions"] = {
            "tls": {"client_cert_chain": shown, "client_cert_error": STALE if self._stale else None}
        }

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._stale:
            self.cycle.keep_alive = False


def showing(identity: Identity) -> type[Showing]:
    """Connections whose clients are verified by this identity."""
    return type("ShowingClients", (Showing,), {"identity": identity})


def _ssl_object(transport: Any) -> ssl.SSLObject:
    found: ssl.SSLObject = transport.get_extra_info("ssl_object")
    return found
