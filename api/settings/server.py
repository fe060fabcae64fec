"""How the service meets the outside: what it answers, what it asks, what one call may cost."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

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
    tls_client: Literal["off", "optional", "required"] = "off"
    """Whether clients show certificates (`identity.certificates` says whose they are). With `required` nothing but
    `/health` answers without one."""
    tls_client_ca: Path | None = None
    """PEM file with the CAs of clients' certificates, absolute or relative to KYSO_HOME; renewed as `tls_certificate` is."""
    tls_client_crl: Path | None = None
    """PEM file with the CRLs of these CAs: with it a client is let in only while its CA's list is there and in force."""
    log: Literal["json", "text"] = "json"
    """Form of the log lines on standard error."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of reverse proxies: from these alone `Forwarded` (RFC 7239) or `X-Forwarded-For`, `-Proto` and
    `-Host` say who asks, and under which name. Never anything that callers reach directly."""
    root_path: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]{1,60}){0,4}$")
    """Path below which a proxy serves Kyso (`/kyso`); it may hand requests on with or without it."""
    documentation: Literal["open", "callers", "off"] = "open"
    """Who may read `/docs` and `/openapi.json`: everybody, callers with an API key, or nobody."""
    drain: float = Field(default=12.0, ge=0, le=600)
    """Seconds that begun requests have to finish after SIGTERM; new ones get 503 meanwhile."""
    drain_notice: float = Field(default=0.0, ge=0, le=120)
    """Seconds for which `/health/ready` says no before the sockets close, so that a load balancer has seen it."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Server:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self

    @model_validator(mode="after")
    def _clients(self) -> Server:
        if self.tls_client != "off" and (self.tls_client_ca is None or self.tls_certificate is None):
            raise ValueError("tls_client wants tls_client_ca and tls_certificate")
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            ipaddress.ip_network(one)
        return value


class Fetch(Section):
    """`[fetch]`: what may be asked of the outside."""

    allowed: tuple[str, ...] = ()
    """Hosts for OCSP, CRL and certificates: `host`, `host:port`, or `.suffix` for all below it. Timestamp authorities
    are allowed by being configured."""
    private: tuple[str, ...] = ()
    """`host:port` entries that may resolve to a loopback or private address."""
    seconds: float = Field(default=5.0, gt=0, le=60)
    """Time limit of one fetch; timestamps have their own (`timestamping.timeout`)."""
    proxy: str = Field(default="", max_length=300)
    """Proxy for http and https (`http://proxy.example:3128`); https goes through it by CONNECT. Without a name and password:
    those stand in `proxy_credentials_file`. The proxy resolves names then, so that it must keep private addresses out."""
    proxy_http: str = Field(default="", max_length=300)
    """Proxy for http alone, instead of `proxy`; `direct` is none."""
    proxy_https: str = Field(default="", max_length=300)
    """The same for https."""
    no_proxy: tuple[str, ...] = ()
    """Hosts that are asked directly: `host`, `host:port`, or `.suffix`."""
    proxy_credentials_file: Path | None = None
    """File with `name:password` for the proxy, absolute or relative to KYSO_HOME."""
    proxy_credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Name of a systemd credential with the same."""
    ca_file: Path | None = None
    """PEM file with private CAs, trusted for https beside the system's."""
    bytes_: int = Field(default=10 * MIB, alias="bytes", ge=KIB, le=100 * MIB)
    """Largest answer that is read."""

    @field_validator("proxy", "proxy_http", "proxy_https")
    @classmethod
    def _a_proxy(cls, value: str) -> str:
        parts = urlsplit(value)
        if value in ("", "direct"):
            return value
        if parts.scheme != "http" or not parts.hostname or "@" in parts.netloc or parts.path not in ("", "/"):
            raise ValueError("http://host:port, without a name, a password or a path")
        return value


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
