"""Who may come in by other means than an API key, and as whom: issuers of tokens, sign-in on pages, certificates.

What a token or a certificate gives stands here and nowhere else: a rule names what must be there (`when`, `sha256`,
`subject`, `san`) and what comes of it. No rule fits, no way in. A rule must say which organisation its callers belong to,
or that it is the whole appliance: a claim that is missing never gives more than one that is there.

    [identity.issuers.tinh]
    issuer = "https://sso.tinh-mau.example/realms/tinh"
    audience = ["https://ky.tinh-mau.example"]

    [[identity.issuers.tinh.grants]]
    when = [{ claim = ["realm_access", "roles"], is = ["kyso-auditor"] }]
    role = "auditor"
    organisation_from = "organisation"
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from api.settings.section import Section

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""What a token may be signed with. There is no way to write `none` or a shared secret (RFC 8725 §3.1)."""
ALGORITHMS: tuple[Algorithm, ...] = ("PS256", "ES256", "EdDSA", "RS256")
Role = Literal["administrator", "operator", "auditor", "backup", "client", "official", "clerk"]
Step = Annotated[str, Field(min_length=1, max_length=200)]
Claim = Step | tuple[Step, ...]
"""The name of a claim, exactly; or the way down to one, name by name: `["realm_access", "roles"]`."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Condition(Section):
    """What a claim must hold: one of `is`, as its value or as a member of its list (`scope`: as one of its words)."""

    claim: Claim
    is_: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = Field(alias="is", min_length=1)


class Grant(Section):
    """What somebody gets: the caller that was registered under an id, with all that is registered of it; or a role."""

    caller: str | None = Field(default=None, pattern=r"^[0-9a-f]{12}$")
    """Id of a registered caller (`kyso caller list`). Revoking it there ends this way in too."""
    role: Role | None = None
    keys: tuple[str, ...] = ()
    """Patterns of key names that may be used."""
    organisation: str | None = Field(default=None, min_length=1, max_length=100)
    """Id of the organisation that the caller belongs to."""
    whole_appliance: bool = False
    """True, in place of an organisation, for those who look after all of it."""
    reach: Literal["organisation", "subtree"] = "organisation"
    """Whether organisations below the caller's are seen too."""
    person: str | None = Field(default=None, min_length=1, max_length=100)
    """Id of the person in the directory."""

    @property
    def organisations_given(self) -> int:
        return (self.organisation is not None) + self.whole_appliance

    @model_validator(mode="after")
    def _one_kind(self) -> Grant:
        given = self.model_fields_set - {"caller", "when", "sha256", "subject", "san"}
        if (self.caller is None) == (self.role is None):
            raise ValueError("caller, or role: exactly one")
        if self.caller is not None and given:
            raise ValueError(f"caller brings its own {', '.join(sorted(given))}")
        if self.role is not None and self.organisations_given != 1:
            raise ValueError("organisation (or where it is taken from), or whole_appliance: exactly one")
        return self


class ClaimGrant(Grant):
    """`[[identity.issuers.NAME.grants]]`: the first whose conditions all hold counts."""

    when: tuple[Condition, ...] = Field(min_length=1)
    organisation_from: Claim | None = None
    """Claim with the organisation's id; the rule does not hold where there is none."""
    person_from: Claim | None = None
    """Claim with the person's id in the directory; the rule does not hold where there is none."""
    keys_from: Claim | None = None
    """Claim that lists names of keys: of these only those count that a pattern of `keys` allows."""

    @property
    def organisations_given(self) -> int:
        return super().organisations_given + (self.organisation_from is not None)

    @model_validator(mode="after")
    def _one_person(self) -> ClaimGrant:
        if self.person is not None and self.person_from is not None:
            raise ValueError("person, or person_from")
        return self


class CertificateGrant(Grant):
    """`[[identity.certificates]]`: a client's certificate, by its digest or by a name under `server.tls_client_ca`."""

    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the certificate (DER), in hex; a renewed certificate has another."""
    subject: str | None = Field(default=None, min_length=3, max_length=500)
    """Whole subject as RFC 4514 writes it, most specific first: `CN=van-thu,O=Xã Mẫu (demo),C=VN`."""
    san: str | None = Field(default=None, pattern=r"^(dns|email|uri|ip):\S{1,300}$")
    """One subject alternative name, exactly: `dns:van-thu.example`, `uri:spiffe://…`."""

    @model_validator(mode="after")
    def _one_mark(self) -> CertificateGrant:
        if sum(one is not None for one in (self.sha256, self.subject, self.san)) != 1:
            raise ValueError("sha256, subject or san: exactly one")
        return self


class Login(Section):
    """`[identity.issuers.NAME.login]`: people sign in on pages there (authorization code with PKCE S256)."""

    client_id: str = Field(min_length=1, max_length=200)
    client_secret_file: Path | None = None
    """File with the client's secret, absolute or relative to KYSO_HOME; none for a public client."""
    client_secret_credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Name of a systemd credential with it, instead."""
    scopes: tuple[str, ...] = ("openid",)
    title: str = Field(default="", max_length=100)
    """What the page calls it; empty is the issuer's name in these settings."""

    @model_validator(mode="after")
    def _one_secret(self) -> Login:
        if self.client_secret_file is not None and self.client_secret_credential is not None:
            raise ValueError("client_secret_file, or client_secret_credential")
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid must be among them")
        return self


class Issuer(Section):
    """`[identity.issuers.NAME]`: an OpenID provider or OAuth 2 authorization server whose tokens are taken."""

    issuer: str = Field(max_length=500)
    """The `iss` of its tokens, exactly; its discovery document lies below it."""
    audience: tuple[str, ...] = Field(min_length=1)
    """What its access tokens must name in `aud`: this appliance."""
    jwks_uri: str | None = Field(default=None, max_length=500)
    """URL of its keys where it publishes no discovery document."""
    jwks_file: Path | None = None
    """File with its keys, absolute or relative to KYSO_HOME, where it cannot be asked at all; read at start."""
    hosts: tuple[str, ...] = ()
    """Further `host` or `host:port` on which its addresses may lie; the issuer's own is allowed."""
    ca_file: Path | None = None
    """PEM file with the CAs of these hosts, in place of those of the machine and `[fetch] ca_file`."""
    algorithms: tuple[Algorithm, ...] = Field(default=ALGORITHMS, min_length=1)
    types: tuple[str, ...] = ("at+jwt", "application/at+jwt", "JWT")
    """`typ` that an access token's header may have (RFC 9068 §2.1); only the first two, where the issuer sets them."""
    leeway: int = Field(default=30, ge=0, le=300)
    """Seconds by which its clock and ours may differ."""
    required: tuple[str, ...] = ("sub",)
    """Claims that must be there, beside `iss`, `aud` and `exp`."""
    single_use: bool = False
    """True takes each access token once: it must have a `jti`, and is never remembered."""
    keys_for: int = Field(default=3600, ge=60, le=86_400)
    """Seconds after which its keys are fetched again; an unknown key id asks sooner."""
    keys_without_issuer: int = Field(default=86_400, ge=0, le=604_800)
    """Seconds for which keys that were fetched still count while the issuer does not answer."""
    login: Login | None = None
    grants: tuple[ClaimGrant, ...] = ()

    @field_validator("issuer", "jwks_uri")
    @classmethod
    def _secured(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://x")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("https (http on this machine alone)")
        if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("a URL without query, fragment or name")
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> Issuer:
        if self.jwks_file is not None and (self.jwks_uri is not None or self.login is not None):
            raise ValueError("jwks_file is for an issuer that is never asked: without jwks_uri and login")
        if self.login is not None and self.login.client_id in self.audience:
            raise ValueError("audience names login.client_id: an ID token of the pages would pass for an access token")
        return self


class Sessions(Section):
    """`[identity.sessions]`: how long a sign-in on the pages lasts."""

    idle: int = Field(default=1800, ge=60, le=86_400)
    """Seconds without a request after which it ends."""
    longest: int = Field(default=28_800, ge=300, le=604_800)
    """Seconds after which it ends anyway."""


class Identity(Section):
    """`[identity]`: ways in beside API keys. Without any of these there are API keys alone."""

    issuers: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")], Issuer] = Field(default_factory=dict)
    certificates: tuple[CertificateGrant, ...] = ()
    certificate_header: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9-]{0,60})?$")
    """Header in which `server.trusted_proxies` hand on the certificate that they have verified: `Client-Cert` (RFC 9440),
    or one with escaped PEM. Empty believes none. From anybody else the header is not looked at."""
    sessions: Sessions = Sessions()

    @model_validator(mode="after")
    def _one_issuer_once(self) -> Identity:
        named = [one.issuer for one in self.issuers.values()]
        if len(set(named)) != len(named):
            raise ValueError("issuers: two have the same issuer")
        return self
