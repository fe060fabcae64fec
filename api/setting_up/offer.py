"""What keepers on their own tell the service that asks them: their modules, and the keys that are more than a document's.
`kyso keepers` leaves it beside their sockets, and `kyso setup --keepers` writes the service's `kyso.toml` from it. Nothing in it
is secret: no PIN, and not where one is.

>>> Offer.model_validate_json('{"modules": {"hsm": {"library": "/p11.so", "token": "kyso"}}, "keys": {}}').modules["hsm"].token
'kyso'
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from api.errors import ApiError
from api.settings import Settings
from api.settings.keys import Activation, Holder, Shape
from api.settings.section import Section

FILE = "offer.json"


class OfferUnusable(ApiError):
    """The keepers do not run, or are not for this user: what they offer cannot be read."""

    code = "setup-keepers-unreadable"
    actor = "operator"


class OfferedModule(Section):
    """Of a module's settings what the service names too."""

    library: Path
    token: str


class OfferedKey(Section):
    """Of a key's settings what the service must know as well. What counts is what the keeper has."""

    shapes: tuple[Shape, ...]
    holder: Holder
    activation: Activation | None = None


class Offer(Section):
    """All of it."""

    modules: dict[str, OfferedModule]
    keys: dict[str, OfferedKey]


def of(settings: Settings) -> Offer:
    """From the keepers' own settings."""
    return Offer(
        modules={name: OfferedModule(library=one.library, token=one.token) for name, one in settings.modules.items()},
        keys={
            ref: OfferedKey(shapes=key.shapes, holder=key.holder, activation=key.activation)
            for ref, key in settings.keys.items()
        },
    )


def leave(settings: Settings) -> None:
    """Beside the sockets, for the group that passes through there. Raises OSError."""
    file = settings.run_dir / FILE
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(of(settings).model_dump_json(), "utf-8")
    file.chmod(0o640)


def found(keepers: Path) -> Offer:
    """What the keepers with this home offer. Raises OfferUnusable."""
    file = keepers / "run" / FILE
    try:
        offer = Offer.model_validate_json(file.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise OfferUnusable(f"{file}: {error}", file=str(file)) from None
    if not offer.modules:
        raise OfferUnusable(f"{file}: no module", file=str(file))
    return offer
