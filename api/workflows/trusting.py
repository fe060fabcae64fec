"""Changing whom the appliance trusts: anchors in and out, what is distrusted, bundles made and installed.

Every change is made in memory first, read as the verifier would read it, and written only if that went well. Files take
their place by renaming; `trust.toml` is written before a certificate comes and after it went, so that what a power cut
leaves in between is refused rather than believed too much.

    store = TrustStore(settings.trust)
    store.add(der, name="root-g2", rule=AnchorRule(sha256=pin, until=…))
    store.install(data, signer=pin, now=…)
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from asn1crypto.pem import armor

from api.trust import held
from verify import bundle, policy, trust, trust_rules
from verify.bundle import Bundle, BundleRefused
from verify.errors import PolicyUnusable, TrustUnusable
from verify.trust import INTERMEDIATES, Anchor, Trust
from verify.trust_rules import NAME, RULES_FILE, AnchorRule, Rules

CRLS = "crls"
INSTALLED = f"offline{bundle.SUFFIX}"
"""The file that an installed bundle is, whatever it was called when it came."""
Files = Mapping[str, bytes | None]
"""By path in the folder; None takes a file away."""


class TrustStore:
    """One trust folder. Raises TrustUnusable, also when the folder could not be read before."""

    def __init__(self, folder: Path, *, put: Callable[[Path, Files], None] | None = None) -> None:
        """`put` takes what is to be written, once it was found readable; None writes it."""
        self._folder = folder
        self._put = put or write_files

    def current(self) -> Trust:
        """What is believed now; nobody, where there is no folder yet."""
        with held(self._folder, alone=False):
            return trust.load([self._folder] if self._folder.is_dir() else [])

    def rules(self) -> Rules:
        file = self._folder / RULES_FILE
        return trust_rules.read(file.read_bytes()) if file.is_file() else Rules()

    def add(self, certificate: bytes, *, name: str, rule: AnchorRule) -> None:
        """One anchor, narrowed by `rule`. A name or certificate that is there already is refused."""
        if not NAME.fullmatch(name):
            raise TrustUnusable(f"{name!r}: a name has letters, digits, dots and hyphens", reason="anchor-name")
        with self._changing() as (rules, present):
            if any(one.name == name for one in present.named):
                raise TrustUnusable(f"{name}: an anchor is called so already", file=name, reason="name-taken")
            known = next((one for one in present.named if one.certificate == certificate), None)
            if known is not None:
                raise TrustUnusable(f"this certificate is trusted already, as {known.name}", reason="anchor-twice")
            told = replace(rules, anchors={**rules.anchors, name: rule})
            self._write({RULES_FILE: trust_rules.write(told), f"{name}.pem": _pem(certificate)})

    def change(self, name: str, rule: Callable[[AnchorRule], AnchorRule]) -> None:
        """Another window, purpose or title for an anchor that is there: an old root is retired, and stays."""
        with self._changing() as (rules, present):
            found = self._own(present, name)
            known = AnchorRule(found.sha256, found.purposes, found.since, found.until, found.title)
            told = replace(rules, anchors={**rules.anchors, name: rule(known)})
            self._write({RULES_FILE: trust_rules.write(told)})

    def add_intermediates(self, certificates: tuple[bytes, ...]) -> None:
        """Certificates that help to build paths and are not trusted."""
        with self._changing():
            self._write({f"{INTERMEDIATES}/{_short(one)}.pem": _pem(one) for one in certificates})

    def add_crls(self, lists: tuple[bytes, ...]) -> None:
        """Revocation lists, for where none can be fetched."""
        with self._changing():
            self._write({f"{CRLS}/{_short(one)}.crl": one for one in lists})

    def remove(self, name: str) -> None:
        """One anchor goes, with its rule; of a file with several certificates, all."""
        with self._changing() as (rules, present):
            self._own(present, name)
            told = replace(rules, anchors={key: rule for key, rule in rules.anchors.items() if key != name})
            gone = dict.fromkeys(self._files_of(name))
            if not gone:
                raise TrustUnusable(f"{name} is in a file with others", file=name, reason="several")
            self._write({**gone, RULES_FILE: trust_rules.write(told)} if rules.anchors else gone)

    def _own(self, present: Trust, name: str) -> Anchor:
        """The anchor of this name, if it is not a bundle's."""
        found = next((one for one in present.named if one.name == name), None)
        if found is None:
            raise TrustUnusable(f"no anchor is called {name}", file=name, reason="no-such-anchor")
        if found.source == "bundle":
            raise TrustUnusable(f"{name} came with the bundle: distrust it instead", file=name, reason="in-bundle")
        return found

    def _files_of(self, name: str) -> Iterator[str]:
        """The files that hold the anchor of this name: not an issuer's or a list of the same name."""
        for path in trust.read_folder(self._folder):
            file = self._folder / path
            named = file.stem == name and file.suffix.lower() in trust.SUFFIXES
            if named and INTERMEDIATES not in path.split("/") and trust.read_file(file)[0]:
                yield path

    def distrust(self, sha256: str, *, why: str) -> None:
        """No path may contain that certificate any more, whoever vouches for it."""
        with self._changing() as (rules, _):
            self._write({RULES_FILE: trust_rules.write(replace(rules, distrusted={**rules.distrusted, sha256: why}))})

    def contents(self, policies: Mapping[str, str]) -> dict[str, bytes]:
        """What a bundle of this folder holds: certificates, lists and rules as they stand, and these policies."""
        with held(self._folder, alone=False):
            present, rules = trust.load([self._folder] if self._folder.is_dir() else []), self.rules()
        anchors: dict[str, Anchor] = {}
        for one in present.named:
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", one.name).strip(".-") or "anchor"
            anchors[name if name not in anchors else f"{name}-{_short(one.certificate)}"] = one
        narrowed = {
            name: AnchorRule(one.sha256, one.purposes, one.since, one.until, one.title) for name, one in anchors.items()
        }
        told = Rules(anchors=narrowed, distrusted={one: rules.distrusted.get(one, "") for one in present.distrusted})
        return {
            f"{bundle.TRUST}{RULES_FILE}": trust_rules.write(told),
            **{f"{bundle.TRUST}{name}.cer": one.certificate for name, one in anchors.items()},
            **{f"{bundle.TRUST}{INTERMEDIATES}/{_short(one)}.cer": one for one in present.intermediates},
            **{f"{bundle.TRUST}{CRLS}/{_short(one)}.crl": one for one in present.crls},
            **{f"{bundle.POLICIES}{name}.toml": text.encode() for name, text in policies.items()},
        }

    def install(self, data: bytes, *, signer: str | None, now: datetime, name: str = "") -> Bundle:
        """A bundle takes the place of the one before. `signer`: a certificate (SHA-256) that may sign from now on.

        1. Signature, signer and digests hold (`verify.bundle`).
        2. It has not expired.
        3. It is no older than any that was installed before.
        4. Its trust and each of its policies can be read.
        5. It is written: the pin first, then the file in one step.
        """
        with self._changing() as (rules, present):
            # 1
            signers = tuple(dict.fromkeys((*rules.bundle_signers, *([signer] if signer else ()))))
            opened = bundle.open_(data, signers=signers, name=name)
            manifest = opened.manifest
            # 2
            if manifest.expires <= now:
                raise BundleRefused(f"{name}: it expired on {manifest.expires:%Y-%m-%d}", file=name, reason="expired")
            # 3
            here = {one.number for one in present.bundles}
            same = manifest.number in here and (self._folder / INSTALLED).read_bytes() == data
            if manifest.number < rules.bundle_newest or (manifest.number in here and not same):
                raise BundleRefused(
                    f"{name}: number {manifest.number}, and {rules.bundle_newest} was installed before",
                    file=name,
                    reason="older",
                    number=manifest.number,
                    newest=rules.bundle_newest,
                )
            # 4
            if not trust.assemble(opened.trust_files, source="bundle").anchors:
                raise BundleRefused(f"{name}: it holds no anchor", file=name, reason="no-anchors")
            _check_policies(opened, name=name)
            # 5
            told = replace(rules, bundle_signers=signers, bundle_newest=manifest.number)
            self._write({RULES_FILE: trust_rules.write(told), INSTALLED: data})
            return opened

    @contextmanager
    def _changing(self) -> Iterator[tuple[Rules, Trust]]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(self._folder, alone=True):
            yield self.rules(), trust.load([self._folder])

    def _write(self, changes: Files) -> None:
        """All of them, in this order; raises TrustUnusable before anything is written if the result could not be read."""
        result: dict[str, bytes] = trust.read_folder(self._folder)
        for path, data in changes.items():
            if data is None:
                result.pop(path, None)
            else:
                result[path] = data
        trust.assemble(result)
        self._put(self._folder, changes)


def write_files(folder: Path, changes: Files) -> None:
    """All of them, in this order; each is whole or as it was."""
    for path, data in changes.items():
        target = folder / path
        if data is None:
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(target, data)


def _check_policies(opened: Bundle, *, name: str) -> None:
    brought = opened.policies
    for own, text in brought.items():
        if own in policy.names():
            raise BundleRefused(f"{name}: policy {own} has a name of the program's own", file=name, reason="policy")
        try:
            policy.parse(text, name=own, find=lambda base: brought.get(base) or policy.packaged(base))
        except PolicyUnusable as error:
            raise BundleRefused(f"{name}: policy {own}: {error}", file=name, reason="policy") from error


def _replace(target: Path, data: bytes) -> None:
    """The file has these bytes or those it had before, whatever happens."""
    descriptor, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _pem(certificate: bytes) -> bytes:
    text: bytes = armor("CERTIFICATE", certificate)
    return text


def _short(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()[:16]
