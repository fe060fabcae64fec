"""What the verifier believes without proof: trust anchors, and what helps to reach them.

Files only; where they lie is for the caller. An empty `Trust` is valid and trusts nobody. A folder is plain PEM and DER
files; `trust.toml` beside them says what narrows an anchor (`verify.trust_rules`), and a signed bundle
(`verify.bundle`) brings a folder's worth in one file.

    trust = load([Path("var/trust")])
    trust.anchor(der).purposes          # ("signing", "timestamping")
    judge(file, trust=trust, …)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from asn1crypto import crl, pem, x509

from verify import bundle, trust_rules
from verify.errors import TrustUnusable
from verify.trust_rules import RULES_FILE, AnchorRule, Purpose, Rules

SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der", ".crl"})
INTERMEDIATES = "intermediates"
"""Folder whose certificates help to build paths and are not trusted themselves."""

MAX_FILE = 64 << 20
_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, RecursionError)
Files = Mapping[str, bytes]
"""By path within the folder, with slashes."""


@dataclass(frozen=True)
class Anchor:
    """A certificate (DER) that is believed, what for and when: `since` and `until` are the moments of its use in a
    path, so that an old root, retired, still carries what is proven to be older."""

    certificate: bytes
    name: str = ""
    purposes: tuple[Purpose, ...] = get_args(Purpose)
    since: datetime | None = None
    until: datetime | None = None
    title: str = ""
    """For people: whose it is, which hierarchy it heads."""
    source: Literal["file", "bundle"] = "file"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.certificate).hexdigest()

    def serves(self, purpose: Purpose) -> bool:
        return purpose in self.purposes

    def doubt(self, at: datetime) -> Literal["anchor-not-yet-believed", "anchor-retired"] | None:
        """Why it is not believed at that moment; None when it is."""
        if self.since is not None and at < self.since:
            return "anchor-not-yet-believed"
        return "anchor-retired" if self.until is not None and at > self.until else None


@dataclass(frozen=True)
class BundleFacts:
    """The signed bundle that is installed: its number, and when it was made and should be replaced."""

    number: int
    issued: datetime
    expires: datetime
    signer: str
    """SHA-256 of the certificate whose key signed it."""
    title: str = ""


@dataclass(frozen=True)
class Trust:
    """DER of anchors, intermediates, CRLs and OCSP responses. Only anchors are trusted."""

    anchors: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    named: tuple[Anchor, ...] = ()
    """What is known of the anchors beyond their certificate; one that is not here is believed for all and always."""
    distrusted: tuple[str, ...] = ()
    """SHA-256 of certificates that no path may contain, whoever vouches for them."""
    bundles: tuple[BundleFacts, ...] = ()

    def anchor(self, certificate: bytes) -> Anchor:
        """What is known of one of `anchors`."""
        return next((one for one in self.named if one.certificate == certificate), Anchor(certificate))

    def serving(self, purpose: Purpose) -> Trust:
        """The same with those anchors alone that serve this purpose and are not distrusted."""
        kept = (one for one in self.anchors if self.anchor(one).serves(purpose) and not self.distrusts(one))
        return replace(self, anchors=tuple(kept))

    def distrusts(self, certificate: bytes) -> bool:
        return bool(self.distrusted) and hashlib.sha256(certificate).hexdigest() in self.distrusted


def load(paths: Iterable[Path]) -> Trust:
    """Anchors and CRLs from PEM or DER files, and from folders of them. Raises TrustUnusable.

    A folder is read with its subfolders; certificates below one named `intermediates` are intermediates.
    """
    found = Trust()
    for path in paths:
        here = assemble(read_folder(path), helpers=path.name == INTERMEDIATES) if path.is_dir() else _of_file(path)
        found = _joined(found, here)
    return found


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder and those below it that mean something, by path. Raises TrustUnusable."""
    return {
        file.relative_to(folder).as_posix(): read_whole(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and (file.suffix.lower() in {*SUFFIXES, bundle.SUFFIX} or file == folder / RULES_FILE)
    }


def assemble(files: Files, *, helpers: bool = False, source: Literal["file", "bundle"] = "file") -> Trust:
    """The trust that these files mean together. `helpers`: all of them are intermediates. Raises TrustUnusable."""
    rules = trust_rules.read(files[RULES_FILE]) if RULES_FILE in files else Rules()
    anchors: list[Anchor] = []
    intermediates: list[bytes] = []
    crls: list[bytes] = []
    brought = Trust()
    for path, data in files.items():
        name = path.rpartition("/")[2]
        if path == RULES_FILE:
            continue
        if name.endswith(bundle.SUFFIX):
            if source == "bundle":
                raise TrustUnusable(f"{name}: a bundle within a bundle", file=name, reason="bundle")
            brought = _joined(brought, _of_bundle(data, name=name, rules=rules))
            continue
        certificates, lists = read_bytes(data, name=name)
        crls.extend(lists)
        if helpers or INTERMEDIATES in path.split("/")[:-1]:
            intermediates.extend(certificates)
        else:
            stem = name.rpartition(".")[0]
            anchors.extend(_anchors(certificates, name=stem, rule=rules.anchors.get(stem), source=source))
    _check_names(rules, anchors)
    own = Trust(
        anchors=tuple(dict.fromkeys(one.certificate for one in anchors)),
        intermediates=tuple(dict.fromkeys(intermediates)),
        crls=tuple(dict.fromkeys(crls)),
        named=tuple(anchors),
        distrusted=tuple(rules.distrusted),
    )
    return _joined(own, brought)


def read_file(path: Path) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(certificates, CRLs) of one PEM or DER file. Raises TrustUnusable when it holds neither."""
    return read_bytes(read_whole(path), name=path.name)


def read_bytes(data: bytes, *, name: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The same of the bytes of a file called `name`."""
    certificates: list[bytes] = []
    lists: list[bytes] = []
    for der in unarmour(data):
        if is_certificate(der):
            certificates.append(der)
        elif is_crl(der):
            lists.append(der)
        else:
            raise TrustUnusable(file=name, reason="neither-certificate-nor-crl")
    if not certificates and not lists:
        raise TrustUnusable(file=name, reason="empty")
    return tuple(certificates), tuple(lists)


def unarmour(data: bytes) -> tuple[bytes, ...]:
    """The DER structures in PEM or DER bytes; CRLs served as PEM are met in the field."""
    if not pem.detect(data):
        return (data,) if data else ()
    try:
        return tuple(der for _, _, der in pem.unarmor(data, multiple=True))
    except _UNREADABLE as error:
        raise TrustUnusable(reason="pem") from error


def is_certificate(der: bytes) -> bool:
    try:
        certificate = x509.Certificate.load(der, strict=True)
        return bool(certificate.subject.dump() and certificate.public_key.dump() and certificate.not_valid_after)
    except (*_UNREADABLE, AttributeError):
        return False


def is_crl(der: bytes) -> bool:
    try:
        tbs = crl.CertificateList.load(der, strict=True)["tbs_cert_list"]
        return bool(tbs["issuer"].dump() and tbs["this_update"].native)
    except (*_UNREADABLE, AttributeError):
        return False


def _of_file(path: Path) -> Trust:
    if path.suffix.lower() == bundle.SUFFIX:  # only a folder's trust.toml says who may sign one
        raise TrustUnusable(f"{path.name}: a bundle is imported, not named", file=path.name, reason="bundle")
    return assemble({path.name: read_whole(path)}, helpers=path.parent.name == INTERMEDIATES)


def _of_bundle(data: bytes, *, name: str, rules: Rules) -> Trust:
    opened = bundle.open_(data, signers=rules.bundle_signers, name=name)
    inner = assemble(opened.trust_files, source="bundle")
    manifest = opened.manifest
    facts = BundleFacts(manifest.number, manifest.issued, manifest.expires, opened.signer, manifest.title)
    return replace(inner, bundles=(facts,))


def _anchors(
    certificates: tuple[bytes, ...], *, name: str, rule: AnchorRule | None, source: Literal["file", "bundle"]
) -> Iterator[Anchor]:
    """Named after the file; several in one file are numbered, and no rule can be about one of them."""
    if rule is not None and certificates:
        if len(certificates) != 1:
            raise TrustUnusable(
                f"{name}: {RULES_FILE} speaks of a file with one certificate", file=name, reason="several"
            )
        (certificate,) = certificates
        if rule.sha256 is not None and hashlib.sha256(certificate).hexdigest() != rule.sha256:
            raise TrustUnusable(f"{name}: not the certificate that was pinned", file=name, reason="pin")
        yield Anchor(certificate, name, rule.purposes, rule.since, rule.until, rule.title, source)
        return
    for place, certificate in enumerate(certificates, start=1):
        yield Anchor(certificate, name if place == 1 else f"{name}-{place}", source=source)


def _check_names(rules: Rules, anchors: list[Anchor]) -> None:
    """A rule whose file is missing, or that could mean two files, would leave an anchor unnarrowed without a word."""
    for name in rules.anchors:
        found = sum(one.name == name for one in anchors)
        if found != 1:
            said = "there is no such file" if not found else "several files are called so"
            raise TrustUnusable(f"{RULES_FILE}: anchors.{name}: {said}", file=RULES_FILE, reason="anchor-name")
    narrowed: dict[bytes, Anchor] = {}
    for one in anchors:
        same = narrowed.setdefault(one.certificate, one)
        if _narrowing(same) != _narrowing(one):
            raise TrustUnusable(f"{same.name} and {one.name} are one certificate", file=one.name, reason="anchor-twice")


def _narrowing(anchor: Anchor) -> tuple[object, ...]:
    return anchor.purposes, anchor.since, anchor.until


def _joined(one: Trust, other: Trust) -> Trust:
    """Both; of an anchor that is in both, what the first says counts."""
    known = set(one.anchors)
    return Trust(
        anchors=tuple(dict.fromkeys((*one.anchors, *other.anchors))),
        intermediates=tuple(dict.fromkeys((*one.intermediates, *other.intermediates))),
        crls=tuple(dict.fromkeys((*one.crls, *other.crls))),
        ocsps=tuple(dict.fromkeys((*one.ocsps, *other.ocsps))),
        named=(*one.named, *(anchor for anchor in other.named if anchor.certificate not in known)),
        distrusted=tuple(dict.fromkeys((*one.distrusted, *other.distrusted))),
        bundles=(*one.bundles, *other.bundles),
    )


def read_whole(path: Path) -> bytes:
    """The bytes of a file of a size that may be. Raises TrustUnusable."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise TrustUnusable(file=path.name, reason="too-large")
        return path.read_bytes()
    except OSError as error:
        raise TrustUnusable(file=path.name, reason="cannot-be-read") from error
