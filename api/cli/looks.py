"""What `kyso sign` takes for the look of a signature: the options that make `profile`, `images` and `look` of an order.

kyso sign cv.pdf -o signed.pdf --key bi-thu --profile dang/nguoi-ky --signature-image ky.png --page 1 --box 330,120,500,200
kyso sign signed.pdf -o issued.pdf --key seal --profile dang/dau --seal-image dau.png
kyso sign pl.pdf -o pl-signed.pdf --key seal --profile nha-nuoc/phu-luc --look number=15-CV/ĐU
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import console
from api.cli.console import t
from api.schema_looks import LARGEST_IMAGE

ProfileChoice = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE/LOOK",
        help=t("mẫu trình bày chữ ký, như dang/nguoi-ky", "how the signature looks, as dang/nguoi-ky"),
    ),
]
SignatureImage = Annotated[
    Path | None,
    typer.Option(
        "--signature-image", help=t("ảnh chữ ký: PNG xanh, nền trong suốt", "signature: blue transparent PNG")
    ),
]
SealImage = Annotated[
    Path | None,
    typer.Option("--seal-image", help=t("ảnh dấu: PNG đỏ, nền trong suốt", "seal: red transparent PNG")),
]
LookValues = Annotated[
    list[str] | None,
    typer.Option(
        "--look",
        metavar="NAME=VALUE",
        help=t(
            "nội dung của mẫu: number, date, title, note, over, link, seal_mm",
            "what the look shows: number, date, title, note, over, link, seal_mm",
        ),
    ),
]


def parts(
    *, profile: str | None, signature: Path | None, seal: Path | None, values: list[str] | None
) -> dict[str, Any]:
    """The parts of the order; the order's own checks say what is wrong with them."""
    images = {name: _base64(path) for name, path in (("signature", signature), ("seal", seal)) if path is not None}
    look: dict[str, Any] = {}
    for text in values or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise console.usage(t(f"--look cần TÊN=GIÁ TRỊ: {text}", f"--look wants NAME=VALUE: {text}"))
        look[name] = _number(value) if name == "seal_mm" else value
    return {"profile": profile, "images": images or None, "look": look or None}


def _base64(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return base64.b64encode(file.read(LARGEST_IMAGE + 1)).decode()
    except OSError:
        raise console.usage(t(f"không đọc được tệp {path}", f"the file {path} cannot be read")) from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
