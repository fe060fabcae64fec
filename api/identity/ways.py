"""The ways in beside API keys, put together from the settings. Without issuers no JOSE library is even loaded.

found = ways(settings, database, ledger)
gate = Gate(database, ways=found.all)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api.auth import Way
from api.fetch.outward import Outward
from api.identity.certificates import ClientCertificates, Shown
from api.identity.sessions import Sessions, rules_of
from api.ledger import Ledger
from api.sealing import Seal
from api.settings import Settings
from api.store.database import Database

if TYPE_CHECKING:
    from api.identity.issuers import Issuer
    from api.identity.login import Logins


@dataclass(frozen=True)
class Ways:
    """`all` for the gate, in the order in which they are asked; `logins` where people can sign in at an issuer."""

    all: tuple[Way, ...]
    sessions: Sessions
    logins: Logins | None = None
    issuers: tuple[Issuer, ...] = field(default=())


def ways(settings: Settings, database: Database, ledger: Ledger, *, outward: Outward) -> Ways:
    """What the settings let in. Raises SettingsUnusable."""
    chosen, server = settings.identity, settings.server
    sessions = Sessions(database, ledger, chosen=chosen.sessions, rules=rules_of(chosen), origin=server.origin)
    shown = Shown(header=chosen.certificate_header)
    certificates = ClientCertificates(database, chosen.certificates, shown=shown, origin=server.origin)
    last: tuple[Way, ...] = (sessions, certificates) if chosen.certificates else (sessions,)
    if not chosen.issuers:
        return Ways(last, sessions)

    from api.identity.issuers import Issuer  # noqa: PLC0415 - a third of a second, for those who use it
    from api.identity.login import Logins  # noqa: PLC0415
    from api.identity.outgoing import Outgoing, trusting  # noqa: PLC0415
    from api.identity.tokens import Tokens  # noqa: PLC0415

    issuers = {}
    for name, one in chosen.issuers.items():
        own = None if one.ca_file is None else settings.home / one.ca_file
        outgoing = Outgoing(one, tls=trusting(own, outward.ca_file), outward=outward)
        issuers[name] = Issuer(name, one, outgoing, home=settings.home)
    tokens = Tokens(database, {one.chosen.issuer: one for one in issuers.values()}, certificate=shown)
    origin = urlsplit(server.origin)
    logins = Logins(
        issuers,
        sessions,
        seal=Seal(settings.secrets / "session.key"),
        base=f"{origin.scheme}://{origin.netloc}{server.root_path}",
        home=settings.home,
    )
    return Ways((tokens, *last), sessions, logins if logins.offered else None, tuple(issuers.values()))
