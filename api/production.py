"""`production = true`: what must not be there, each as a reason with a code, the setting it is about and what to do.

The checks are functions of one `Look`: settings, tokens, trust, callers and what the kernel says, gathered by
`api.cli.checking`. All of them run, so that an operator is told everything at once. What could not be seen (a token that
is away) is no reason; `api.watching` looks again while the service runs.

>>> [one.code for one in reasons(look)]                                  # doctest: +SKIP
['production-softhsm', 'production-demo-anchor']

Not here: words (`api/locale/*.watching.toml`), and starting anything.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel

from api.hardening import State
from api.settings import Settings
from hsm.keys import KeyInfo

EX_CONFIG = 78
"""Exit status: the configuration is not one to start with (sysexits.h)."""
DEMO_WORDS = ("(demo)", "kyso demo")
"""Stand in every name that the demo's authority gives."""
DEMO_KEYS = "demo-"
"""How the demo's keys are called."""


@dataclass(frozen=True)
class Reason:
    """`facts` fill the words' placeholders."""

    code: str
    setting: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenFacts:
    """What a token says of itself, and its keys."""

    manufacturer: str
    model: str
    keys: tuple[KeyInfo, ...]


@dataclass(frozen=True)
class Look:
    """Everything that is judged. `tokens` are those that were there; `endless` are ids of callers whose API keys never
    expire; `demo_keys` SHA-256 digests of public keys of the demo in this KYSO_HOME."""

    settings: Settings
    tokens: Mapping[str, TokenFacts] = field(default_factory=dict)
    anchors: tuple[bytes, ...] = ()
    endless: tuple[str, ...] = ()
    process: State = field(default_factory=lambda: State(0, dumpable=False))
    clock_synchronised: bool = True
    demo_keys: frozenset[str] = frozenset()


Check = Callable[[Look], Iterator[Reason]]


def reasons(look: Look) -> tuple[Reason, ...]:
    """Why these must not run in production; empty where nothing speaks against it."""
    checks = OF_KEEPERS if look.settings.keepers.are_on_their_own else CHECKS
    return tuple(reason for check in checks for reason in check(look))


# --- keys and trust ---------------------------------------------------------------------------------------------------


def _software_tokens(look: Look) -> Iterator[Reason]:
    """SoftHSM, by its library, whatever that is called, and by what the token says."""
    for name, module in look.settings.modules.items():
        token = look.tokens.get(name)
        said = f"{token.manufacturer} {token.model}" if token is not None else ""
        if "softhsm" in said.lower() or _is_softhsm(module.library):
            yield Reason("production-softhsm", f"modules.{name}.library", {"library": str(module.library)})


def _is_softhsm(library: Path) -> bool:
    if "softhsm" in str(library).lower() or "softhsm" in str(library.resolve()).lower():
        return True
    try:
        return b"SoftHSM" in library.read_bytes()
    except OSError:
        return False  # the keeper says what is wrong with it


def _demo_anchors(look: Look) -> Iterator[Reason]:
    for anchor in look.anchors:
        if _is_demo(look, anchor):
            name = x509.load_der_x509_certificate(anchor).subject.rfc4514_string()
            yield Reason("production-demo-anchor", "trust", {"subject": name})


def _demo_keys(look: Look) -> Iterator[Reason]:
    """By name, by public key, and by a chain that ends at the demo's authority."""
    for module, token in look.tokens.items():
        for key in token.keys:
            certificates = [one for one in (key.certificate, *key.chain) if one is not None]
            known = hashlib.sha256(key.public_key).hexdigest() in look.demo_keys
            if known or key.ref.startswith(DEMO_KEYS) or any(_is_demo(look, one) for one in certificates):
                yield Reason("production-demo-key", f"modules.{module}", {"key": key.ref})
    for ref in look.settings.keys:
        if ref.startswith(DEMO_KEYS) and not any(ref == key.ref for one in look.tokens.values() for key in one.keys):
            yield Reason("production-demo-key", f"keys.{ref}", {"key": ref})


def _is_demo(look: Look, certificate: bytes) -> bool:
    try:
        read = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return False
    names = " ".join((read.subject.rfc4514_string(), read.issuer.rfc4514_string())).lower()
    key = read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return any(word in names for word in DEMO_WORDS) or hashlib.sha256(key).hexdigest() in look.demo_keys


def _built_in_authority(look: Look) -> Iterator[Reason]:
    authority = look.settings.authority
    if authority is None:
        return
    keys = [key for token in look.tokens.values() for key in token.keys if key.ref == authority.key]
    if not any(_chains(look, key) for key in keys):
        yield Reason("production-built-in-tsa", "authority.key", {"key": authority.key})


def _chains(look: Look, key: KeyInfo) -> bool:
    """Whether the key's own certificates lead to a configured anchor that is not the demo's, signature by signature.
    No judgement of paths (that is `verify`'s): only whether somebody else vouches for this authority."""
    try:
        steps = [x509.load_der_x509_certificate(one) for one in (key.certificate or b"", *key.chain)]
        anchors = [x509.load_der_x509_certificate(one) for one in look.anchors if not _is_demo(look, one)]
    except ValueError:
        return False
    for step, above in zip(steps, [*steps[1:], None], strict=True):
        if any(step == anchor or _issued(step, anchor) for anchor in anchors):
            return True
        if above is None or not _issued(step, above):
            return False
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _chain_check(look: Look) -> Iterator[Reason]:
    if look.settings.signing.chain_check != "required":
        yield Reason("production-chain-check", "signing.chain_check")


def _checkpoints(look: Look) -> Iterator[Reason]:
    if look.settings.checkpoints is None:
        yield Reason("production-no-checkpoints", "checkpoints.key")


# --- who gets in ------------------------------------------------------------------------------------------------------


def _plain_http(look: Look) -> Iterator[Reason]:
    server = look.settings.server
    if not _is_loopback(server.host) and look.settings.tls_files is None and not server.trusted_proxies:
        yield Reason("production-plain-http", "server.host", {"host": server.host})
    for one in server.trusted_proxies:
        if ipaddress.ip_network(one).prefixlen == 0:
            yield Reason("production-any-proxy", "server.trusted_proxies", {"network": one})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _debug_surface(look: Look) -> Iterator[Reason]:
    if look.settings.server.documentation == "open":
        yield Reason("production-debug-surface", "server.documentation")


def _public_verification(look: Look) -> Iterator[Reason]:
    chosen = look.settings.verification
    if chosen.public:
        for name in ("public_per_minute", "public_at_a_time"):
            if getattr(chosen, name) == 0:
                yield Reason("production-public-unlimited", f"verification.{name}")


def _endless_api_keys(look: Look) -> Iterator[Reason]:
    for caller in look.endless:
        yield Reason("production-endless-api-key", "kyso caller", {"caller": caller})


def _private_fetches(look: Look) -> Iterator[Reason]:
    for entry in look.settings.fetch.private:
        yield Reason("production-private-fetch", "fetch.private", {"entry": entry})


# --- the machine ------------------------------------------------------------------------------------------------------


LEAST_REASON = 20
"""Characters of a sentence in `[keepers] together`; less is a word to get by."""


def _keepers_together(look: Look) -> Iterator[Reason]:
    """PIN, log of uses and management socket out of reach of whoever takes over the service."""
    settings = look.settings
    if settings.keepers.apart is None:
        if settings.modules and len(settings.keepers.together.strip()) < LEAST_REASON:
            yield Reason("production-keepers-together", "keepers.apart")
        return
    run = settings.keeper_socket("any").parent
    if run.exists() and run.stat().st_uid == os.getuid():
        yield Reason("production-keepers-same-user", "keepers.apart", {"path": str(run)})


def _clock(look: Look) -> Iterator[Reason]:
    authority = look.settings.authority
    if authority is not None and authority.require_synchronised_clock and not look.clock_synchronised:
        yield Reason("production-clock", "authority.require_synchronised_clock")


def _dumps(look: Look) -> Iterator[Reason]:
    if look.process.core_limit != 0 or look.process.dumpable:
        yield Reason("production-core-dumps", "RLIMIT_CORE, PR_SET_DUMPABLE")


def _readable_by_others(look: Look) -> Iterator[Reason]:
    settings = look.settings
    others = 0o067 if settings.keepers.are_on_their_own else 0o077  # the service's group passes through to the sockets
    if settings.home.stat().st_mode & others:
        yield Reason("production-home-readable", "KYSO_HOME", {"path": str(settings.home)})
    if settings.tls_files is not None and settings.tls_files[1].stat().st_mode & 0o077:
        yield Reason("production-tls-key-readable", "server.tls_key", {"path": str(settings.tls_files[1])})


# --- settings as such -------------------------------------------------------------------------------------------------


def _unsafe_settings(look: Look) -> Iterator[Reason]:
    for where in _unsafe(look.settings, ""):
        yield Reason("production-unsafe-setting", where)


def _unsafe(value: object, where: str) -> Iterator[str]:
    """Every setting whose name begins with `unsafe_` and that is on, or whose class is called `Unsafe…`."""
    if type(value).__name__.startswith("Unsafe"):
        yield where
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            one, place = getattr(value, name), f"{where}.{name}".removeprefix(".")
            if name.startswith("unsafe_") and one:
                yield place
            else:
                yield from _unsafe(one, place)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _unsafe(one, f"{where}.{name}")


def _storage_key(look: Look) -> Iterator[Reason]:
    """Blobs, drafts and secrets are encrypted at rest, where the program can do that."""
    storage = getattr(look.settings, "storage", None)
    if storage is not None and not _has_key(storage):
        yield Reason("production-no-storage-key", "storage.key_file")


def _has_key(storage: BaseModel) -> bool:
    return any(getattr(storage, name, None) for name in type(storage).model_fields if name.startswith("key"))


CHECKS: tuple[Check, ...] = (
    _software_tokens,
    _demo_anchors,
    _demo_keys,
    _built_in_authority,
    _chain_check,
    _checkpoints,
    _storage_key,
    _plain_http,
    _debug_surface,
    _public_verification,
    _endless_api_keys,
    _private_fetches,
    _keepers_together,
    _clock,
    _dumps,
    _readable_by_others,
    _unsafe_settings,
)
OF_KEEPERS: tuple[Check, ...] = (_software_tokens, _demo_keys, _dumps, _readable_by_others, _unsafe_settings)
"""Of these alone keepers on their own (`kyso keepers`) know; the service that asks them is judged by all of them."""
