"""What a rule refuses: one family of codes, `right-…`, each naming the rule and what to do instead."""

from __future__ import annotations

from typing import ClassVar

from api.errors import Actor, ApiError


class RightRefused(ApiError):
    """A rule on the use of keys does not allow this order."""

    code = "right-refused"
    actor: ClassVar[Actor] = "caller"


class RightProcedure(RightRefused):
    """The rule does not name this procedure."""

    code = "right-procedure"


class RightLevel(RightRefused):
    """The rule does not allow this level."""

    code = "right-level"


class RightFormat(RightRefused):
    """The rule does not allow this format."""

    code = "right-format"


class RightPackaging(RightRefused):
    """The rule does not allow this packaging of an XML signature."""

    code = "right-packaging"


class RightMechanism(RightRefused):
    """The rule does not allow this mechanism."""

    code = "right-mechanism"


class RightBareDigest(RightRefused):
    """The rule does not allow to sign a digest without its document."""

    code = "right-bare-digest"


class RightSize(RightRefused):
    """The document is larger than the rule allows."""

    code = "right-size"


class RightPeriod(RightRefused):
    """The rule does not hold yet, or not any more."""

    code = "right-period"


class RightHours(RightRefused):
    """Not at this hour or on this day of the week."""

    code = "right-hours"


class RightRate(RightRefused):
    """So many signatures in so short a time are not allowed."""

    code = "right-rate"


class RightCount(RightRefused):
    """The number of signatures that the rule allows is used up."""

    code = "right-count"


class RightCertificate(RightRefused):
    """The certificate belongs to nobody whom the caller may ask to sign."""

    code = "right-certificate"
