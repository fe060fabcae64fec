"""`production = true`: each thing that must not be there is a reason of its own, and a sound configuration has none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from api import hardening, locale, production
from api.production import Look, TokenFacts
from api.settings import Settings
from api.settings.section import Section
from hsm.keys import KeyInfo

pytestmark = pytest.mark.appliance


@dataclass(frozen=True)
class Named:
    """A certificate and its key; the names of tests.pki say that they are a demo's, which is what is looked for here."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def issue(name: str, issuer: Named | None = None) -> Named:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .sign((issuer or Named(None, private)).key, hashes.SHA256())
    )
    return Named(made, private)


ROOT = issue("Root of the Test")
ISSUING = issue("Issuing of the Test", ROOT)
SIGNER = issue("Signer of the Test", ISSUING)
SOUND: dict[str, Any] = {
    "production": True,
    "modules": {"hsm": {"library": "/opt/vendor/libhsm.so", "token": "kyso", "pin_file": "pin"}},
    "keys": {"ledger": {"shapes": ("checkpoint",)}},
    "checkpoints": {"key": "ledger", "origin": "ky.example.vn/ledger"},
    "server": {"documentation": "callers"},
    "storage": {"key_file": "storage.key"},
    "keepers": {"apart": Path("/nonexistent/keepers")},
}


def key(ref: str, signer: Named = SIGNER, above: Named = ISSUING) -> KeyInfo:
    spki = signer.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyInfo(ref, "hsm", ref, "rsa", 2048, (), spki, signer.der, (above.der,))


def sound(home: Path, **sections: Any) -> Look:
    """A look at a configuration that nothing speaks against, with these sections in place of its own."""
    home.chmod(0o700)
    chosen = {name: value for name, value in {**SOUND, **sections}.items() if name in Settings.model_fields}
    settings = Settings(home=home, **chosen)
    return Look(
        settings=settings,
        tokens={"hsm": TokenFacts("Vendor", "Model 3", (key("seal"),))},
        anchors=(ROOT.der,),
        process=hardening.State(0, dumpable=False),
    )


def codes(look: Look) -> list[str]:
    return [reason.code for reason in production.reasons(look)]


def test_a_sound_configuration_has_no_reason(tmp_path: Path):
    """Nothing is refused for its own sake."""
    assert [] == codes(sound(tmp_path))


@pytest.mark.parametrize(
    ("sections", "code", "setting"),
    [
        ({"server": {}}, "production-debug-surface", "server.documentation"),
        ({"server": {"host": "0.0.0.0", "documentation": "off"}}, "production-plain-http", "server.host"),
        (
            {"server": {"trusted_proxies": ("0.0.0.0/0",), "documentation": "off"}},
            "production-any-proxy",
            "server.trusted_proxies",
        ),
        (
            {"verification": {"public": True, "public_per_minute": 0}},
            "production-public-unlimited",
            "verification.public_per_minute",
        ),
        (
            {"verification": {"public": True, "public_at_a_time": 0}},
            "production-public-unlimited",
            "verification.public_at_a_time",
        ),
        ({"signing": {"chain_check": "warn"}}, "production-chain-check", "signing.chain_check"),
        ({"checkpoints": None, "keys": {}}, "production-no-checkpoints", "checkpoints.key"),
        ({"fetch": {"private": ("10.0.0.7:80",)}}, "production-private-fetch", "fetch.private"),
        ({"keys": {**SOUND["keys"], "demo-seal": {}}}, "production-demo-key", "keys.demo-seal"),
        (
            {"authority": {"key": "tsa", "policy": "1.2.3", "require_synchronised_clock": True}},
            "production-clock",
            "authority.require_synchronised_clock",
        ),
    ],
)
def test_each_setting_that_leaves_something_open_is_named(
    tmp_path: Path, sections: dict[str, Any], code: str, setting: str
):
    """The reason tells the code and the setting to change."""
    look = replace(sound(tmp_path, **sections), clock_synchronised=False)
    tsa = TokenFacts("Vendor", "Model 3", (key("tsa"),))
    found = production.reasons(replace(look, tokens={"hsm": tsa}))
    assert [(code, setting)] == [(reason.code, reason.setting) for reason in found]


def test_keepers_that_share_the_services_user_want_a_reason_in_words(tmp_path: Path):
    """Refused without; a word to get by is no reason; a sentence is. Without any module there is nothing to guard."""
    assert ["production-keepers-together"] == codes(sound(tmp_path, keepers={}))
    assert ["production-keepers-together"] == codes(sound(tmp_path, keepers={"together": "accepted"}))
    sentence = "The card reader serves one user; decided by the head of the office."
    assert [] == codes(sound(tmp_path, keepers={"together": sentence}))
    assert [] == codes(sound(tmp_path, keepers={}, modules={}))


def test_keepers_that_are_apart_in_name_only_are_refused(tmp_path: Path):
    """Their sockets lie in a folder of the service's own user."""
    (tmp_path / "keepers" / "run").mkdir(parents=True)
    look = sound(tmp_path, keepers={"apart": tmp_path / "keepers"})
    assert ["production-keepers-same-user"] == codes(look)


def test_keepers_on_their_own_are_judged_by_what_they_know(tmp_path: Path):
    """No ledger and no HTTP there; their tokens, keys and folder are looked at, and the service's group may pass through."""
    look = sound(tmp_path, keepers={"peers": ("root", 64102)}, checkpoints=None, keys={}, storage={}, server={})
    tmp_path.chmod(0o710)
    assert [] == codes(look)
    assert (0, 64102) == look.settings.keepers.peers
    softhsm = replace(look, tokens={"hsm": TokenFacts("SoftHSM project", "SoftHSM v2", ())})
    assert ["production-softhsm"] == codes(softhsm)
    tmp_path.chmod(0o750)
    assert ["production-home-readable"] == codes(look)
    with pytest.raises(ValidationError, match="no user nobody-of-this-name"):
        sound(tmp_path, keepers={"peers": ("nobody-of-this-name",)})


def test_tls_or_a_proxy_permits_an_address_that_others_reach(tmp_path: Path):
    """What is plain between proxy and service is the operator's own network; what has TLS needs no proxy."""
    proxied = {"host": "0.0.0.0", "trusted_proxies": ("10.0.0.7",), "documentation": "off"}
    (tmp_path / "k.pem").touch(0o600)
    secured = {"host": "::", "tls_certificate": "c.pem", "tls_key": "k.pem", "documentation": "off"}
    for server in (proxied, secured):
        assert [] == codes(sound(tmp_path, server=server))


def test_softhsm_is_known_by_its_path_its_content_and_what_its_token_says(tmp_path: Path):
    """Another name for the library hides nothing."""
    renamed = tmp_path / "libvendor.so"
    renamed.write_bytes(b"\x7fELF...SoftHSM slot ID...")
    for library in (Path("/usr/lib/softhsm/libsofthsm2.so"), renamed):
        look = sound(tmp_path, modules={"hsm": {"library": library, "token": "kyso"}})
        assert ["production-softhsm"] == codes(look)
    look = replace(sound(tmp_path), tokens={"hsm": TokenFacts("SoftHSM project", "SoftHSM v2", ())})
    assert ["production-softhsm"] == codes(look)


def test_demo_keys_are_known_by_name_by_public_key_and_by_their_chain(tmp_path: Path):
    """A demo key that was labelled otherwise, or got another certificate, is still one."""
    look = sound(tmp_path)
    demo = issue("Kyso Demo Issuing CA")
    for one in (key("demo-official"), key("seal", issue("Somebody", demo), demo)):
        assert ["production-demo-key"] == codes(replace(look, tokens={"hsm": TokenFacts("V", "M", (one,))}))
    known = frozenset({hashlib.sha256(key("seal").public_key).hexdigest()})
    assert ["production-demo-key"] == codes(replace(look, demo_keys=known))


def test_a_demo_anchor_is_not_trusted_in_production(tmp_path: Path):
    """By the names that the demo's authority gives, and by its public key."""
    demo = issue("Kyso Demo Root CA")
    assert ["production-demo-anchor"] == codes(replace(sound(tmp_path), anchors=(ROOT.der, demo.der)))


def test_the_built_in_authority_needs_somebody_else_to_vouch_for_it(tmp_path: Path):
    """Without a chain to a configured anchor its timestamps prove nothing to anybody else."""
    authority = {"key": "tsa", "policy": "1.2.3"}
    look = sound(tmp_path, authority=authority)
    vouched = replace(look, tokens={"hsm": TokenFacts("V", "M", (key("tsa"),))})
    assert [] == codes(vouched)
    assert ["production-built-in-tsa"] == codes(replace(vouched, anchors=(issue("Another Root").der,)))
    assert ["production-built-in-tsa"] == codes(look)  # a key that could not be seen


def test_callers_whose_api_keys_never_end_are_named(tmp_path: Path):
    """Each by its id, which is no secret."""
    found = production.reasons(replace(sound(tmp_path), endless=("ab12", "cd34")))
    assert ["ab12", "cd34"] == [reason.facts["caller"] for reason in found]
    assert {"production-endless-api-key"} == {reason.code for reason in found}


@pytest.mark.parametrize("state", [hardening.State(-1, dumpable=False), hardening.State(0, dumpable=True)])
def test_a_process_that_could_be_dumped_is_refused(tmp_path: Path, state: hardening.State):
    """Either way secrets could reach the disk, or another process."""
    assert ["production-core-dumps"] == codes(replace(sound(tmp_path), process=state))


def test_files_that_others_can_read_are_refused(tmp_path: Path):
    """KYSO_HOME and the key of TLS belong to one user."""
    (tmp_path / "k.pem").touch(0o644)
    look = sound(tmp_path, server={"tls_certificate": "c.pem", "tls_key": "k.pem", "documentation": "off"})
    tmp_path.chmod(0o750)
    assert ["production-home-readable", "production-tls-key-readable"] == codes(look)
    tmp_path.chmod(0o700)


def test_a_setting_named_unsafe_is_refused_wherever_it_stands(tmp_path: Path):
    """New ones need no new check: the name is enough."""

    class UnsafeThing(Section):
        pass

    class More(Section):
        unsafe_skip: bool = True
        unsafe_off: bool = False
        thing: UnsafeThing = UnsafeThing()

    look = sound(tmp_path)
    settings = look.settings.model_copy(update={"signing": look.settings.signing})
    found = list(production._unsafe(More(), "more"))
    assert ["more.unsafe_skip", "more.thing"] == found
    assert [] == list(production._unsafe(settings, ""))


def test_every_reason_has_words_in_both_languages_with_the_same_facts():
    """Whoever is refused learns what is wrong and what to do."""
    source = Path(production.__file__).read_text("utf-8")
    raised = {line.split('"')[1] for line in source.splitlines() if 'Reason("production-' in line and '"' in line}
    tables = [locale.words(language)["production"] for language in locale.LANGUAGES]
    assert raised == set(tables[0]) == set(tables[1])
    for code in raised:
        for name in ("what", "do"):
            fields = [{one for _, one, _, _ in Formatter().parse(table[code][name]) if one} for table in tables]
            assert fields[0] == fields[1], code


def test_all_reasons_are_told_at_once(tmp_path: Path):
    """An operator mends the file once, not line by line."""
    look = sound(tmp_path, server={"host": "0.0.0.0"}, signing={"chain_check": "warn"}, checkpoints=None, keys={})
    assert {"production-plain-http", "production-debug-surface", "production-chain-check", "production-no-checkpoints"} == set(
        codes(look)
    )  # fmt: skip
