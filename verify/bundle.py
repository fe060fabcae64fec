"""A bundle: anchors, intermediates, revocation lists and policies in one signed file, to be carried to a closed network.

A ZIP whose `manifest.json` names every other file with its SHA-256, its number, when it was made and until when it
should be used; `manifest.p7s` is a CMS signature over the manifest, with the signer's certificate. The signer is not
found by a path: the certificate's own SHA-256 must be one that the reader was told (a bundle brings the anchors, so
nothing else could vouch for it). Files are stored, not packed, sorted and undated: the same contents are the same bytes.

    opened = open_(data, signers=(pin,))          # raises BundleRefused
    opened.manifest.number, opened.trust_files, opened.policies

A page for whoever has no Kyso: `unzip`, `openssl cms -verify -binary -content manifest.json -inform DER -in manifest.p7s
-noverify`, `sha256sum`.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verify.errors import TrustUnusable

SUFFIX = ".bundle"
FORMAT = "kyso-trust-bundle/1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.p7s"
TRUST = "trust/"
POLICIES = "policies/"

MAX_BUNDLE = 256 << 20
MAX_FILES = 5_000
_MAX_SIGNATURE = 1 << 20
_MAX_MANIFEST = 4 << 20
_FILE = re.compile(r"(trust|trust/intermediates|trust/crls|policies)/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNDATED = (1980, 1, 1, 0, 0, 0)
_LONGEST_TITLE = 200


class BundleRefused(TrustUnusable):
    """The trust bundle is not what it should be; nothing of it was used."""


@dataclass(frozen=True)
class Manifest:
    """`files` are the SHA-256 of all files but this one and its signature."""

    number: int
    issued: datetime
    expires: datetime
    title: str
    files: Mapping[str, str]

    def encoded(self) -> bytes:
        """Canonical: keys sorted, times in UTC as whole seconds."""
        said = {
            "format": FORMAT,
            "number": self.number,
            "issued": self.issued.isoformat(timespec="seconds"),
            "expires": self.expires.isoformat(timespec="seconds"),
            "title": self.title,
            "files": dict(self.files),
        }
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Bundle:
    """A bundle whose signature and digests hold."""

    manifest: Manifest
    files: Mapping[str, bytes]
    signer: str
    """SHA-256 of the certificate whose key signed it."""

    @property
    def trust_files(self) -> dict[str, bytes]:
        """What would lie in a trust folder, by path."""
        return {path.removeprefix(TRUST): data for path, data in self.files.items() if path.startswith(TRUST)}

    @property
    def policies(self) -> dict[str, str]:
        """Texts of policies, by name."""
        found = {path.removeprefix(POLICIES): data for path, data in self.files.items() if path.startswith(POLICIES)}
        return {name.removesuffix(".toml"): data.decode("utf-8", "replace") for name, data in found.items()}


def write(
    files: Mapping[str, bytes],
    *,
    number: int,
    issued: datetime,
    expires: datetime,
    title: str,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """The bundle of these files. `sign` turns the manifest into a detached CMS signature (DER) with its certificate."""
    for path in files:
        if not _FILE.fullmatch(path):
            raise BundleRefused(f"{path[:60]}: a bundle has no room for a file of this name", reason="file-name")
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())}
    manifest = Manifest(number, issued, expires, title, digests).encoded()
    container = io.BytesIO()
    with zipfile.ZipFile(container, "w", zipfile.ZIP_STORED) as archive:
        for path, data in ((MANIFEST, manifest), (SIGNATURE, sign(manifest)), *sorted(files.items())):
            entry = zipfile.ZipInfo(path, _UNDATED)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return container.getvalue()


def open_(data: bytes, *, signers: tuple[str, ...], name: str = "") -> Bundle:
    """The bundle in these bytes, if one of `signers` (SHA-256 of certificates) signed it. Raises BundleRefused.

    1. A ZIP of stored files, each named once, nothing before, between or behind them.
    2. The signature over the manifest holds.
    3. Its certificate is one that was pinned.
    4. The manifest can be read and names exactly the files that are there.
    5. Each file has the digest that the manifest names.

    How old it is, and whether there was a newer one, is for whoever installs it.
    """
    # 1
    files = _unpack(data, name=name)
    if MANIFEST not in files or SIGNATURE not in files:
        raise BundleRefused(f"{name}: this is no trust bundle", file=name, reason="no-manifest")
    manifest_bytes, signature = files.pop(MANIFEST), files.pop(SIGNATURE)
    # 2
    signer = _signer(manifest_bytes, signature, name=name)
    # 3
    if signer not in signers:
        raise BundleRefused(
            f"{name}: signed by a certificate that was not pinned: {signer}", file=name, reason="signer", signer=signer
        )
    # 4
    manifest = _manifest(manifest_bytes, name=name)
    if set(manifest.files) != set(files):
        odd = sorted(set(manifest.files) ^ set(files))[0]
        raise BundleRefused(
            f"{name}: {odd[:60]} is in the bundle or its manifest, not in both", file=name, reason="files"
        )
    # 5
    for path, content in files.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[path]:
            raise BundleRefused(f"{name}: {path} is not the file that was signed", file=name, reason="digest")
    return Bundle(manifest, files, signer)


def signer_of(data: bytes, *, name: str = "") -> str:
    """SHA-256 of the certificate that signed it: what a person compares with a pin that came another way."""
    files = _unpack(data, name=name)
    if MANIFEST not in files or SIGNATURE not in files:
        raise BundleRefused(f"{name}: this is no trust bundle", file=name, reason="no-manifest")
    return _signer(files[MANIFEST], files[SIGNATURE], name=name)


def _unpack(data: bytes, *, name: str) -> dict[str, bytes]:
    """Every byte belongs to one stored file or to the directory: two readers of the same ZIP see the same."""
    if len(data) > MAX_BUNDLE:
        raise BundleRefused(f"{name}: larger than a bundle may be", file=name, reason="too-large")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise BundleRefused(f"{name}: more files than a bundle may have", file=name, reason="too-many")
            found: dict[str, bytes] = {}
            for entry in entries:
                known = entry.filename in (MANIFEST, SIGNATURE) or _FILE.fullmatch(entry.filename)
                if not known or entry.filename in found or entry.compress_type != zipfile.ZIP_STORED:
                    raise BundleRefused(
                        f"{name}: {entry.filename[:60]!r} has no place in a bundle", file=name, reason="file-name"
                    )
                found[entry.filename] = archive.read(entry)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BundleRefused(f"{name}: this is no trust bundle", file=name, reason="zip") from error
    # Local header 30 octets, directory entry 46, end 22: longer means bytes that no file accounts for.
    accounted = 22 + sum(76 + 2 * len(path.encode()) + len(content) for path, content in found.items())
    if accounted != len(data):
        raise BundleRefused(f"{name}: bytes that belong to no file", file=name, reason="zip")
    return found


def _signer(manifest: bytes, signature: bytes, *, name: str) -> str:
    """SHA-256 of the certificate whose key signed the manifest. Raises BundleRefused."""
    if len(signature) > _MAX_SIGNATURE or len(manifest) > _MAX_MANIFEST:
        raise BundleRefused(f"{name}: manifest or signature too long", file=name, reason="too-large")
    # Whoever holds trust without a bundle, each command and api worker, does without the libraries behind this.
    from verify import cms  # noqa: PLC0415

    try:
        message = cms.read(signature)
    except cms.CmsUnreadable as error:
        raise BundleRefused(f"{name}: the signature cannot be read", file=name, reason="signature") from error
    result = cms.check(message, digest_of=lambda digest: hashlib.new(digest, manifest).digest())
    whole = message.signers == 1 and message.signed_attributes is not None and message.binding == "matched"
    if not result.intact or not whole or message.content is not None or message.signer is None:
        raise BundleRefused(f"{name}: the signature does not hold", file=name, reason="signature")
    return hashlib.sha256(message.signer).hexdigest()


def _manifest(data: bytes, *, name: str) -> Manifest:
    try:
        said: dict[str, Any] = json.loads(data)
        manifest = Manifest(
            number=int(said["number"]),
            issued=datetime.fromisoformat(said["issued"]),
            expires=datetime.fromisoformat(said["expires"]),
            title=str(said["title"]),
            files=dict(said["files"]),
        )
        named = all(_FILE.fullmatch(path) and _SHA256.fullmatch(digest) for path, digest in manifest.files.items())
        sane = manifest.issued < manifest.expires and 0 < manifest.number < 1 << 53
        sound = named and sane and len(manifest.title) <= _LONGEST_TITLE and manifest.encoded() == data
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BundleRefused(f"{name}: the manifest cannot be read", file=name, reason="manifest") from error
    if not sound:
        raise BundleRefused(f"{name}: the manifest is not as it is written here", file=name, reason="manifest")
    return manifest
