"""What a document can be refused for before there is anything to judge.

A signature that is wrong is not an error: it is a `Report`. An error here means that there is no report, because the
bytes are no document or cost too much to read. Words for people stand in `api/locale`, found by `code`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Actor = Literal["caller", "official", "operator", "developer"]


class VerifyError(Exception):
    """The document could not be judged."""

    code: ClassVar[str] = "verify-error"
    actor: ClassVar[Actor] = "caller"

    def __init__(self, detail: str = "", **facts: str | int) -> None:
        super().__init__(detail or (type(self).__doc__ or "").split("\n", 1)[0])
        self.facts = facts


class EmptyDocument(VerifyError):
    """The file has no bytes."""

    code = "document-empty"


class NotADocument(VerifyError):
    """The file is neither PDF nor XML, by its content."""

    code = "document-not-recognised"


class DocumentBroken(VerifyError):
    """The file starts like a document and cannot be read as one."""

    code = "document-broken"


class DocumentTooLarge(VerifyError):
    """The file is larger than the limit."""

    code = "document-too-large"


class DocumentTooComplex(VerifyError):
    """Reading the file costs more memory, time or depth than a document may."""

    code = "document-too-complex"


class DoctypeRefused(VerifyError):
    """The XML has a document type declaration (DOCTYPE), which is not read."""

    code = "document-doctype-refused"


class DocumentEncrypted(VerifyError):
    """The file is encrypted and no password was given, or a wrong one."""

    code = "document-encrypted"


class TrustUnusable(VerifyError):
    """A trust anchor, intermediate or revocation list that was given cannot be read."""

    code = "trust-unusable"


class PolicyUnusable(VerifyError):
    """The policy is not known, or empty."""

    code = "policy-unusable"
