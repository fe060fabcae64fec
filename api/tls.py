"""TLS of the server: its certificate and key, and taking up renewed ones without a restart.

Whoever renews the certificate replaces the files. At a handshake, five seconds after the last look at most, changed files
are read into a context of their own; only when certificate and key are readable and belong together do new connections
get them, otherwise the former stay and the log says why. Connections that stand are not touched.

TLS 1.2 is the least (TT 15/2025 Annex I; RFC 9325 §3.1.1), with the ciphers that Python allows by default: forward
secrecy and AEAD before all else. Not here: certificates of clients.

    uvicorn.Config(app, ssl_context_factory=lambda *_: Identity(certificate, key).listening())
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

from api.logs import Logger

LOOK_EVERY = 5.0
"""Seconds between two looks at the files."""

_Stamp = tuple[tuple[int, int, int], ...]
log = Logger()


class Identity:
    """Certificate chain (PEM, the server's first) and private key (PEM, without a password) of one server."""

    def __init__(self, certificate: Path, key: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Reads both; raises OSError (ssl.SSLError is one) when they cannot be used."""
        self._certificate, self._key = certificate, key
        self._monotonic = monotonic
        self._looked = monotonic()
        self._stamp = self._stamps()
        self._current = self._read()

    def listening(self) -> ssl.SSLContext:
        """The context to listen with. Its callback runs in every handshake, with or without a name (RFC 6066 §3)."""
        context = self._current
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
        self._look()
        connection.context = self._current

    def _look(self) -> None:
        now = self._monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        try:
            stamp = self._stamps()
            if stamp == self._stamp:
                return
            # Noted before it is read: files that cannot be used are complained about once, not at every handshake.
            self._stamp = stamp
            self._current = self._read()
        except OSError as error:
            log.warning("the renewed TLS certificate cannot be used; the former stays", reason=str(error))
            return
        log.info("TLS certificate renewed", file=str(self._certificate))

    def _stamps(self) -> _Stamp:
        facts = (self._certificate.stat(), self._key.stat())
        return tuple((fact.st_ino, fact.st_mtime_ns, fact.st_size) for fact in facts)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        # A key with a password would make OpenSSL ask the terminal; an empty one fails instead.
        context.load_cert_chain(self._certificate, self._key, password="")
        return context
