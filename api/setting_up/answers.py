"""What a set-up has to know: from an answers file (TOML or JSON), or asked in the terminal. Never a PIN.

>>> answers = Answers(module="hsm", library="/usr/lib/p11.so", token="kyso")
>>> [(key.ref, key.purpose) for key in answers.keys], answers.pin
([('seal', 'seal'), ('tsa', 'timestamps'), ('ledger', 'checkpoints')], 'file')
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from api.errors import ApiError
from api.setting_up import offer as offering
from api.setting_up.offer import Offer
from api.settings.section import Section
from hsm.checkpoint import ORIGIN
from hsm.keys import NewKey

Part = Literal["whole", "keepers", "service"]
Purpose = Literal["seal", "documents", "timestamps", "checkpoints"]
SHAPES: dict[Purpose, tuple[str, ...]] = {
    "seal": (),
    "documents": (),
    "timestamps": ("tst-attributes",),
    "checkpoints": ("checkpoint",),
}
"""What kyso.toml says of a key's shapes; nothing where the default is meant."""
NOTHING: dict[str, Any] = {}
TSA_POLICY = "1.3.6.1.4.1.99999.1"


class AnswersUnusable(ApiError):
    """The answers to the set-up's questions cannot be used; the message names the question."""

    code = "setup-answers-unusable"
    actor = "operator"


class NewKeyAnswer(Section):
    """A key that there is to be. `subject` (RFC 4514) is what its certification request asks for."""

    ref: str = Field(min_length=1, max_length=64, pattern=r"^[^#\x00-\x1f]+$")
    purpose: Purpose
    algorithm: NewKey = "rsa3072"
    subject: str = ""


class AnchorAnswer(Section):
    """A certificate to trust, with the SHA-256 that its authority published."""

    file: Path
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    purposes: tuple[Literal["signing", "timestamping"], ...] = ("signing", "timestamping")


class Answers(Section):
    """Everything that is asked. Paths are absolute or relative to the folder in which the set-up is run."""

    module: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")
    library: Path
    token: str = Field(min_length=1, max_length=32)
    new_token: bool = True
    """Whether the token is made by the set-up; otherwise it is there already, and stays as it is."""
    environment: dict[str, str] = Field(default_factory=dict)
    pin: Literal["file", "credential", "typed"] = "file"
    """Where the keeper finds the PIN later: a file below `secrets`, a systemd credential, or nowhere (`kyso unlock`)."""
    storage: Literal["file", "none"] = "file"
    """Whether documents are encrypted from the first start on, under a key that is made in a file below `secrets`."""
    storage_kept_by: str = Field(default="", max_length=200)
    """Who keeps a copy of that key, by post: somebody else than who keeps the backups."""
    peers: tuple[str, ...] = ()
    """Where keepers on their own are set up: the users who may ask them to sign."""
    keepers: Path | None = None
    """Where a service is set up whose keepers are apart: their KYSO_HOME."""
    offered: Offer | None = None
    """What these keepers told; never answered by hand."""
    keys: tuple[NewKeyAnswer, ...] = (
        NewKeyAnswer(ref="seal", purpose="seal"),
        NewKeyAnswer(ref="tsa", purpose="timestamps"),
        NewKeyAnswer(ref="ledger", purpose="checkpoints", algorithm="ed25519"),
    )
    anchors: tuple[AnchorAnswer, ...] = ()
    timestamp_authorities: tuple[str, ...] = ()
    fetch_allowed: tuple[str, ...] = ()
    administrator: str = Field(default="administrator", min_length=1, max_length=100)
    origin: str = Field(default="", max_length=200)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    ledger_name: str = Field(default="kyso/ledger", pattern=rf"^{ORIGIN}$")

    @model_validator(mode="after")
    def _fits_together(self) -> Answers:
        refs = [key.ref for key in self.keys]
        if len(set(refs)) != len(refs):
            raise ValueError("keys: two keys of one name")
        for purpose in ("timestamps", "checkpoints"):
            if sum(key.purpose == purpose for key in self.keys) > 1:
                raise ValueError(f"keys: one key for {purpose} at most")
        if self.peers and self.keepers is not None:
            raise ValueError("keepers: either these keepers, or the service that asks them")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self

    def key_for(self, purpose: Purpose) -> str | None:
        """The name of the key that serves this purpose."""
        return next((key.ref for key in self.keys if key.purpose == purpose), None)

    @property
    def part(self) -> Part:
        """What is set up: all of an appliance, its keepers alone, or all but these."""
        return "keepers" if self.peers else "service" if self.keepers is not None else "whole"


def of(given: dict[str, Any]) -> Answers:
    """Raises AnswersUnusable with the first fault, by the question's name, never with what was answered."""
    try:
        return Answers(**given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "answers"
        raise AnswersUnusable(f"{where}: {fault['msg']}", question=where) from None


def about(keepers: Path) -> dict[str, Any]:
    """Answers that keepers apart give for the service. Raises OfferUnusable."""
    offer = offering.found(keepers)
    module, told = next(iter(offer.modules.items()))
    purposes: dict[tuple[str, ...], Purpose] = {SHAPES[one]: one for one in ("timestamps", "checkpoints")}
    keys = [{"ref": ref, "purpose": purposes.get(key.shapes, "documents")} for ref, key in offer.keys.items()]
    return {
        "module": module,
        "library": str(told.library),
        "token": told.token,
        "new_token": False,
        "environment": {},
        "keys": keys,
        "keepers": str(keepers),
        "offered": offer.model_dump(mode="json"),
    }


def read(file: Path, *, over: dict[str, Any] = NOTHING) -> Answers:
    """An answers file, with these answers in place of its own; raises AnswersUnusable."""
    try:
        text = file.read_text("utf-8")
        given = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise AnswersUnusable(f"{file}: {error}", question=file.name) from None
    if not isinstance(given, dict):
        raise AnswersUnusable(f"{file}: no table", question=file.name)
    return of({**given, **over})
