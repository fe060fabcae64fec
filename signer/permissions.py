"""What former signers forbade, found and refused before anything is written.

DocMDP 1–3 and FieldMDP (ISO 32000-1 §12.8.2.2, §12.8.2.4), from the same readers that the verifier uses. A signature in
a locked field, or a new field after a certification, is made by many tools and breaks the earlier signature in strict
readers. What the author of a field asks for is `seeds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.sign.fields import FieldMDPSpec, MDPPerm

from signer.errors import SigningForbidden
from signer.fields import Field
from verify import permissions
from verify.pdf import UNEXPECTED, get


@dataclass(frozen=True)
class Restrictions:
    """The strictest level in force and who set it, all locks, and the fields that hold a signature or timestamp."""

    level: MDPPerm | None
    set_by: str
    locks: tuple[tuple[str, FieldMDPSpec], ...]
    signed: tuple[str, ...]

    def require_signing(self, name: str, *, is_new: bool) -> None:
        """Raises SigningForbidden if `name` must not be signed, or not be created for it."""
        self._require_changes(name)
        if is_new:
            self.require_creation(name)
        self._require_unlocked(name)

    def require_creation(self, name: str) -> None:
        """Raises SigningForbidden if no field may be added: a certification names all that may come (Table 254)."""
        if self.level is not None:
            raise SigningForbidden(field=name, by=self.set_by, reason="certified-no-new-fields", level=self.level.value)
        self._require_unlocked(name)

    def require_filling(self, name: str) -> None:
        self._require_changes(name)
        self._require_unlocked(name)

    def require_first(self, level: int) -> None:
        """Raises SigningForbidden for a certification that is not the first signature (§12.8.2.2.1)."""
        if self.signed:
            raise SigningForbidden(by=self.signed[0], reason="certification-not-first", level=level)

    def require_unsigned(self, name: str) -> None:
        """Raises SigningForbidden for a form field that readers would take for a change of what was signed."""
        if self.signed:
            raise SigningForbidden(field=name, by=self.signed[0], reason="field-after-signature")

    def _require_changes(self, name: str) -> None:
        if self.level == MDPPerm.NO_CHANGES:
            raise SigningForbidden(field=name, by=self.set_by, reason="certified-no-changes", level=1)

    def _require_unlocked(self, name: str) -> None:
        for by, lock in self.locks:
            if lock.is_locked(name):
                raise SigningForbidden(field=name, by=by, reason="field-locked")


def read(fields: Mapping[str, Field], *, root: generic.DictionaryObject) -> Restrictions:
    """What the document's signatures forbid. Raises SigningForbidden if that cannot be read."""
    levels: list[tuple[MDPPerm, str]] = []
    locks: list[tuple[str, FieldMDPSpec]] = []
    signed: list[str] = []
    for name, field in fields.items():
        if not field.is_signed:
            continue
        signed.append(name)
        values = field.inherited["/V"]
        if isinstance(values, generic.IndirectObject) and not field.has_lock:
            continue  # it says nothing of what it permits
        values = values.get_object()
        if not isinstance(values, generic.DictionaryObject):
            raise _unreadable(name)
        if get(values, "/Type") == "/DocTimeStamp":
            continue
        try:
            level = permissions.permission(values, fields=(field.dictionary,))
            lock = permissions.locked(values, fields=(field.dictionary,))
            if lock is not None:
                lock.is_locked("")
        except UNEXPECTED as error:
            raise _unreadable(name) from error
        if lock is None and permissions.transform(values, "/FieldMDP") is not None:
            raise _unreadable(name)
        if level is not None:
            levels.append((level, name))
        if lock is not None:
            locks.append((name, lock))
    certification = get(get(root, "/Perms"), "/DocMDP")
    if isinstance(certification, generic.DictionaryObject):  # it counts also if its field is gone
        level = permissions.permission(certification, fields=())
        levels.append((level or MDPPerm.FILL_FORMS, "/Perms"))
    strictest, by = min(levels, key=lambda one: one[0].value, default=(None, ""))
    return Restrictions(strictest, by, tuple(locks), tuple(signed))


def _unreadable(name: str) -> SigningForbidden:
    return SigningForbidden("an earlier signature's permissions cannot be read", by=name, reason="unreadable")
