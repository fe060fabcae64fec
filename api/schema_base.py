"""What the models of requests share: strict models, and texts that cannot deceive a reader.

>>> no_controls("Nguyễn Văn An")
'Nguyễn Văn An'
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Control(ValueError):
    """A text with characters that nobody sees."""


def no_controls(text: str) -> str:
    """The text in NFC. Raises Control.

    Cc are controls; Cf holds the marks that turn the direction of writing, with which a name can deceive."""
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text):
        raise Control("control characters")
    return unicodedata.normalize("NFC", text)


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(no_controls)]
Hex256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Password = Annotated[str, Field(min_length=1, max_length=127)]
"""ISO 32000-2 §7.6.4.3.3: at most 127 octets count."""
Coordinate = Annotated[float, Field(allow_inf_nan=False)]


class Input(BaseModel):
    """A part of a request: unknown keys are refused, nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
