"""What a signature permits to happen after it: DocMDP and FieldMDP, read from its dictionary and its field.

Serves the verifier, which judges what happened, and the signer, which refuses beforehand. Where several entries speak,
the strictest counts; what cannot be read permits nothing.

    permission(values, fields=(field,))     # MDPPerm or None
    locked(values, fields=(field,))         # FieldMDPSpec or None
"""

from __future__ import annotations

from collections.abc import Iterable

from pyhanko.pdf_utils import generic
from pyhanko.sign.fields import FieldMDPSpec, MDPPerm

from verify.pdf import UNEXPECTED, get


def permission(values: generic.DictionaryObject, *, fields: Iterable[generic.DictionaryObject]) -> MDPPerm | None:
    """DocMDP of the signature (ISO 32000-1 §12.8.2.2), /P of its FieldMDP parameters, where Acrobat writes it, and /P of
    its field's lock (ISO 32000-2 §12.7.5.5)."""
    found: list[MDPPerm] = []
    certification = transform(values, "/DocMDP")
    if certification is not None:
        found.append(_level(get(certification, "/P"), default=MDPPerm.FILL_FORMS))
    holders = (transform(values, "/FieldMDP"), *(get(field, "/Lock") for field in fields))
    found += [
        _level(get(holder, "/P"), default=MDPPerm.NO_CHANGES)
        for holder in holders
        if isinstance(holder, generic.DictionaryObject) and "/P" in holder
    ]
    return min(found, default=None)


def locked(values: generic.DictionaryObject, *, fields: Iterable[generic.DictionaryObject]) -> FieldMDPSpec | None:
    """FieldMDP of the signature (§12.8.2.4), else its field's lock dictionary."""
    for parameters in (transform(values, "/FieldMDP"), *(get(field, "/Lock") for field in fields)):
        if isinstance(parameters, generic.DictionaryObject) and "/Action" in parameters:
            try:
                return FieldMDPSpec.from_pdf_object(parameters)
            except UNEXPECTED:
                continue
    return None


def transform(values: generic.DictionaryObject, method: str) -> generic.DictionaryObject | None:
    """The parameters of a transform method among the signature's references; empty where they cannot be read."""
    references = get(values, "/Reference")
    for item in references if isinstance(references, generic.ArrayObject) else ():
        entry = item.get_object()
        if isinstance(entry, generic.DictionaryObject) and get(entry, "/TransformMethod") == method:
            parameters = get(entry, "/TransformParams")
            return parameters if isinstance(parameters, generic.DictionaryObject) else generic.DictionaryObject()
    return None


def _level(value: object, *, default: MDPPerm) -> MDPPerm:
    try:
        return MDPPerm(value) if value is not None else default
    except ValueError:
        return MDPPerm.NO_CHANGES
