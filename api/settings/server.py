"""How the service meets the outside: what it answers, what it asks, what one call may cost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from api.settings.section import GIB, KIB, MIB, Section


class Server(Section):
    """`[server]`: where and how HTTP is answered."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback wants TLS: `tls_certificate`, or a proxy in front."""
    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port; `KYSO_PORT` comes first. 0 takes a free one (tests)."""
    workers: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1, le=64)
    """Number of api processes that share the listening socket: one computes on one core at a time."""
    threads: int = Field(default=32, ge=2, le=512)
    """Requests that one api process works on at the same time; more of them wait."""
    language: Literal["vi", "en"] = "vi"
    """Language of sentences for callers whose Accept-Language names neither."""
    zone: str = Field(default="+07:00", pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$")
    """Offset from UTC in which times are told to people and in reports; Việt Nam keeps one all year."""
    origin: str = Field(default="", max_length=200)
    """Address under which callers reach the service (`https://ky.example.gov.vn`), as the envelope of a prepared
    signature names it; empty takes host and port."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which callers may address the service (Host header): `host`, or `.suffix` for all below it. localhost,
    addresses in numbers and the name in `origin` always pass; any other name is refused."""
    tls_certificate: Path | None = None
    """PEM file with the server's certificate and those above it, absolute or relative to KYSO_HOME. With it the port
    speaks TLS 1.2 or newer alone; a renewed certificate counts within seconds, without a restart."""
    tls_key: Path | None = None
    """PEM file with its private key, without a password."""
    log: Literal["json", "text"] = "json"
    """Form of the log lines on standard error."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Server:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class Fetch(Section):
    """`[fetch]`: what may be asked of the outside."""

    allowed: tuple[str, ...] = ()
    """Hosts for OCSP, CRL and certificates: `host`, `host:port`, or `.suffix` for all below it. Timestamp authorities
    are allowed by being configured."""
    private: tuple[str, ...] = ()
    """`host:port` entries that may resolve to a loopback or private address."""
    seconds: float = Field(default=5.0, gt=0, le=60)
    """Time limit of one fetch; timestamps have their own (`timestamping.timeout`)."""
    bytes_: int = Field(default=10 * MIB, alias="bytes", ge=KIB, le=100 * MIB)
    """Largest answer that is read."""


class Limits(Section):
    """`[limits]`: what one call may cost."""

    upload_bytes: int = Field(default=GIB, ge=KIB)
    """Largest document, in bytes."""
    document_seconds: float = Field(default=60.0, gt=0, le=3600)
    """Wall time that a worker may spend on one step of one document."""
    document_memory: int = Field(default=GIB, ge=128 * MIB)
    """Address space of a document worker, in bytes."""
    workers: int = Field(default_factory=lambda: max(2, os.cpu_count() or 1), ge=1, le=256)
    """Document workers that one api process uses at the same time. They compute all the time, so more than one a core
    only wear out the caches; one that waits for a timestamp is given back meanwhile."""
    documents_per_worker: int = Field(default=1000, ge=1)
    """Calls of one and the same caller that a worker serves before it is replaced; sooner where its memory has grown."""
