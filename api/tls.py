"""TLS of the server: its certificate and key, whose clients it knows, and taking up renewed files without a restart.

Whoever renews a file replaces it. At a handshake, five seconds after the last look at most, changed files are read into a
context of their own; only when all of them are readable and belong together do new connections get them, otherwise the
former stay and the log says why. Connections that stand are not touched, but a client's certificate counts on them only
as long as the CAs and CRLs are those by which it was verified (`is_current`).

TLS 1.2 is the least (TT 15/2025 Annex I; RFC 9325 §3.1.1), with the ciphers that Python allows by default: forward
secrecy and AEAD before all else. OpenSSL verifies clients' certificates in the handshake: one that is expired, revoked or
of another CA ends it. Whose a certificate is: `api.identity.certificates`.

    identity = of(settings)
    uvicorn.Config(app, ssl_context_factory=lambda *_: identity.listening())
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.logs import Logger
from api.settings import Settings

LOOK_EVERY = 5.0
"""Seconds between two looks at the files."""

_Stamp = tuple[tuple[int, int, int], ...]
log = Logger()


@dataclass(frozen=True)
class Clients:
    """By which files (PEM) clients' certificates are verified: CAs, and their CRLs where these must be there."""

    ca: Path
    crl: Path | None = None


class _Context(ssl.SSLContext):
    """One reading of the files. `trust` tells those about clients from others."""

    trust: _Stamp = ()


class _Listening(ssl.SSLContext):
    """Stands for whichever context is current when a connection begins.

    A callback by server name (RFC 6066 §3) would come too late: OpenSSL resumes sessions before it, from the cache of the
    context that listens, so that a client would come back past a CRL. Here each context has a cache of its own."""

    identity: Identity

    def wrap_bio(self, *arguments: Any, **more: Any) -> ssl.SSLObject:
        return self.identity.current().wrap_bio(*arguments, **more)


class Identity:
    """Certificate chain (PEM, the server's first) and private key (PEM, without a password) of one server."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        clients: Clients | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads all; raises OSError (ssl.SSLError is one) when they cannot be used."""
        self._certificate, self._key, self._clients = certificate, key, clients
        self._monotonic = monotonic
        self._looked = monotonic()
        self._stamp = self._stamps()
        self._current = self._read()

    def listening(self) -> ssl.SSLContext:
        """The context to listen with, by asyncio or uvloop."""
        context = _Listening(ssl.PROTOCOL_TLS_SERVER)
        context.identity = self
        return context

    def current(self) -> ssl.SSLContext:
        """The context for a connection that begins now."""
        self._look()
        return self._current

    def is_current(self, connection: ssl.SSLObject) -> bool:
        """Whether what is known of the connection's client was verified by the CAs and CRLs that count now."""
        self._look()
        context = connection.context
        return isinstance(context, _Context) and context.trust == self._current.trust

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
        return (*_stamp(self._certificate), *_stamp(self._key), *self._trust())

    def _trust(self) -> _Stamp:
        if self._clients is None:
            return ()
        return (*_stamp(self._clients.ca), *(_stamp(self._clients.crl) if self._clients.crl is not None else ()))

    def _read(self) -> _Context:
        context = _Context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        # A key with a password would make OpenSSL ask the terminal; an empty one fails instead.
        context.load_cert_chain(self._certificate, self._key, password="")
        if self._clients is not None:
            context.trust = self._trust()
            # Optional even where one is required: who has none is told so by HTTP, and /health needs none.
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a CA in the file is trusted, a root or not
            context.load_verify_locations(self._clients.ca)
            if self._clients.crl is not None:
                context.load_verify_locations(self._clients.crl)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


def of(settings: Settings) -> Identity | None:
    """The identity that the settings name; None while the service speaks plain HTTP. Raises as `Identity`."""
    files, server = settings.tls_files, settings.server
    if files is None:
        return None
    clients = None
    if server.tls_client != "off" and server.tls_client_ca is not None:
        crl = None if server.tls_client_crl is None else settings.home / server.tls_client_crl
        clients = Clients(settings.home / server.tls_client_ca, crl)
    return Identity(*files, clients=clients)


def _stamp(file: Path) -> _Stamp:
    fact = file.stat()
    return ((fact.st_ino, fact.st_mtime_ns, fact.st_size),)
