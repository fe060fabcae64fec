"""What a document itself shows of how far it is: its fields, who signed which, what they closed, whether all still holds.

Read from the bytes by the readers of the verifier, in a worker; who the signers are to be believed is not asked here
(trust is `verify.engine`'s). A signature that does not hold, or after which the document was changed in a way that it
forbids, is told as such: nothing can be built on it. So is one whose changes could not be compared: what is not known to
hold is not built on.

    facts = read(file)
    facts.signed("o1").signer           # "Nguyễn Văn Mẫu (demo)", as the certificate says
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from pyhanko.sign.fields import FieldMDPSpec

from signer import fields as forms
from signer import permissions
from signer.fields import Field
from signer.revision import RevisionWriter
from signer.stamp.plain import names_of
from verify import pdf, pdf_signatures
from verify.document import Limits
from verify.errors import DocumentBroken
from verify.found import FoundSignature
from verify.pdf import UNEXPECTED, get


@dataclass(frozen=True)
class FieldFacts:
    """A field: `signature`, or `value` for everything else. `closes`: what a signature in it will close, among all
    fields. `open`: whether nobody closed it."""

    name: str
    kind: str
    filled: bool
    open: bool
    closes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SignedFacts:
    """A signature: name and organisation as its certificate says. `sound`: its value verifies, and nothing was changed
    after it but what it permits."""

    field: str
    signer: str
    organisation: str | None
    sound: bool


@dataclass(frozen=True)
class Facts:
    """`level` is the strictest DocMDP in force; None where nobody certified."""

    fields: tuple[FieldFacts, ...] = ()
    signatures: tuple[SignedFacts, ...] = ()
    level: int | None = None

    def field(self, name: str) -> FieldFacts | None:
        return next((one for one in self.fields if one.name == name), None)

    def signed(self, name: str) -> SignedFacts | None:
        return next((one for one in self.signatures if one.field == name), None)


def read(document: BinaryIO, *, password: str | None = None) -> Facts:
    """The facts of an open PDF. Raises a VerifyError or SignerError for one that cannot be read."""
    limits = Limits()
    found = pdf_signatures.find(document, limits=limits, password=password)
    if any(warning.code == "SIGNATURE_UNREADABLE" for warning in found.warnings):
        raise DocumentBroken("a signature of the document cannot be read", reason="signature")
    reader = pdf.open_reader(document, limits=limits, password=password, tolerance="lenient")
    with pdf.refusing():
        writer = RevisionWriter(reader.stream, prev=reader)
        fields = forms.survey(writer)
        restrictions = permissions.read(fields, root=writer.root)
        closed = {name for name in fields for _, lock in restrictions.locks if lock.is_locked(name)}
        told = tuple(_field(one, fields=tuple(fields), is_open=name not in closed) for name, one in fields.items())
    level = None if restrictions.level is None else int(restrictions.level.value)
    return Facts(told, tuple(map(_signature, found.signatures)), level)


def _field(field: Field, *, fields: tuple[str, ...], is_open: bool) -> FieldFacts:
    kind = "signature" if field.kind == "/Sig" else "value"
    value = field.inherited.get("/V")
    filled = field.is_signed if kind == "signature" else value is not None and str(value) not in ("", "/Off")
    return FieldFacts(field.name, kind, filled, is_open, _closes(field, fields) if kind == "signature" else ())


def _closes(field: Field, fields: tuple[str, ...]) -> tuple[str, ...]:
    lock = get(field.dictionary, "/Lock") if field.has_lock else None
    if lock is None:
        return ()
    try:
        spec = FieldMDPSpec.from_pdf_object(lock)
        return tuple(name for name in fields if spec.is_locked(name))
    except UNEXPECTED as error:
        raise DocumentBroken("a field's lock cannot be read", reason="field-lock") from error


def _signature(found: FoundSignature) -> SignedFacts:
    signer, organisation = ("", None) if found.signer is None else names_of(found.signer)
    sound = found.integrity.intact and not found.changes.modified and found.changes.kind != "suspicious"
    return SignedFacts(found.id, signer, organisation, sound)
