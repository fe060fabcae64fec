"""Why a step of a procedure is not taken, or a procedure is none; told before anybody is asked to consent.

Beside `signer.procedures` and not in it: who only names these errors need not load what reads documents.
"""

from __future__ import annotations

from signer.errors import SignerError


class ProcedureError(SignerError):
    """The step of the procedure cannot be taken."""

    code = "procedure-error"


class ProcedureUnknown(ProcedureError):
    """There is no procedure of this name."""

    code = "procedure-unknown"


class ProcedureInvalid(ProcedureError):
    """The file of a procedure cannot be used as it is written."""

    code = "procedure-invalid"
    actor = "operator"


class StepUnknown(ProcedureError):
    """The procedure has no step of this name."""

    code = "step-unknown"


class OutOfOrder(ProcedureError):
    """It is not this step's turn."""

    code = "out-of-order"


class WrongRole(ProcedureError):
    """Whoever asks is not the one who takes this step."""

    code = "wrong-role"


class StepDone(ProcedureError):
    """This step was taken already."""

    code = "step-done"


class FieldMissing(ProcedureError):
    """The document lacks a field that the procedure needs, and it is too late to add one."""

    code = "field-missing"


class NumberMissing(ProcedureError):
    """What the clerk writes, such as number and date, is not there or empty."""

    code = "number-missing"


class FillNotOfStep(ProcedureError):
    """A field is to be filled that this step does not fill."""

    code = "fill-not-of-step"


class NumberTaken(ProcedureError):
    """The organisation has given this number to another document in the same year."""

    code = "number-taken"


class TemplateUnknown(ProcedureError):
    """There is no template of this name."""

    code = "template-unknown"
