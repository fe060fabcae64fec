"""Officials who sign in the browser: where its pages may be embedded, who is told of outcomes, how long a session lasts."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from api.settings.section import Section


class SigningSessions(Section):
    """`[sessions]`: what officials are asked to sign."""

    origins: tuple[str, ...] = ()
    """Origins of other systems' pages that may embed the component, such as `https://tthc.example.vn`."""
    callbacks: tuple[str, ...] = ()
    """Hosts that outcomes may be sent to: `host`, `host:port`, or `.suffix` for all below it."""
    callbacks_private: tuple[str, ...] = ()
    """`host:port` entries among them that may resolve to a loopback or private address."""
    days: int = Field(default=7, ge=1, le=365)
    """How long a session waits for its official where nobody says otherwise."""
    longest_days: int = Field(default=30, ge=1, le=365)
    """How long it may wait at most."""
    kept_days: int = Field(default=7, ge=0, le=3650)
    """For how long after its end the documents that came with it are kept; signed ones are kept as `[retention]` says."""
    hotline: str = Field(default="", max_length=200)
    """Whom to call when something fails, as officials read it."""
    event_streams: int = Field(default=64, ge=1, le=4096)
    """Streams of events that one api process keeps open at the same time."""
    unsafe_practice: str = Field(default="", max_length=200)
    """Name of the caller in whose name `/sign/demo` opens practice sessions for everybody; empty is off."""
    practice_documents: tuple[str, ...] = (
        "demo/giay-gioi-thieu.pdf",
        "demo/bao-cao-phi.xml",
    )
    """Files below KYSO_HOME that a practice session is about."""
    practice_field: str = Field(default="", max_length=200)
    """Signature box in which a PDF among them is signed; empty puts the signature on no page."""
    practice_look: str = Field(default="", max_length=100)
    """How a signature on a PDF among them looks, such as `dang/nguoi-ky`, with the pictures of the key; empty is text."""
    practice_person: str = Field(default="DEMO-01", max_length=200)
    """Who signs in a practice session: code in the directory, or a name."""

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}".lower():
                raise ValueError(f"{origin} is no origin, such as https://host or https://host:port")
        return origins

    @field_validator("callbacks", "callbacks_private")
    @classmethod
    def _are_hosts(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        from api.fetch.rules import FetchRules  # noqa: PLC0415 - the package needs the settings itself

        FetchRules(allowed=entries)
        return entries
