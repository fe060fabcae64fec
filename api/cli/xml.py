"""What the commands take for XML: the options of `kyso sign` that make the part `xml` of an order, and detached contents.

kyso sign bao-cao.xml -o signed.xml --key seal --role "Thủ quỹ" --city "Hà Nội" --country VN
kyso sign a.pdf -o a.pdf.xml --key seal --format XAdES --packaging detached --detached phu-luc.pdf=phu-luc.pdf
kyso verify a.pdf.xml --detached a.pdf=a.pdf --detached phu-luc.pdf=phu-luc.pdf
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from api.cli import console
from api.cli.console import t
from api.sandbox.wire import MAX_DETACHED
from signer.model import Format
from signer.xades.plan import Canonicalization, Packaging

DetachedFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--detached",
        metavar="NAME=PATH",
        help=t("tệp mà chữ ký XML dẫn chiếu theo tên: TÊN=ĐƯỜNG DẪN", "a file that an XML signature names: NAME=PATH"),
    ),
]
FormatChoice = Annotated[
    Format | None,
    typer.Option("--format", help=t("định dạng chữ ký; mặc định theo nội dung tệp", "format; default: by content")),
]
PackagingChoice = Annotated[
    Packaging | None, typer.Option("--packaging", help=t("XML: chữ ký nằm ở đâu", "XML: where the signature stands"))
]
Elements = Annotated[
    list[str] | None,
    typer.Option(
        "--element", help=t("XML: chỉ ký phần tử có Id này", "XML: sign the element of this Id, not the whole")
    ),
]
CanonicalizationChoice = Annotated[
    Canonicalization | None, typer.Option("--canonicalization", help=t("XML: cách chuẩn hóa", "XML: canonicalization"))
]
Roles = Annotated[
    list[str] | None, typer.Option("--role", help=t("XML: vai trò người ký", "XML: a role that the signer claims"))
]
City = Annotated[str | None, typer.Option("--city", help=t("XML: nơi ký, thành phố", "XML: place of signing, city"))]
Province = Annotated[
    str | None, typer.Option("--province", help=t("XML: nơi ký, tỉnh", "XML: place of signing, province"))
]
Country = Annotated[
    str | None, typer.Option("--country", help=t("XML: nơi ký, quốc gia", "XML: place of signing, country"))
]
Commitment = Annotated[
    str | None,
    typer.Option(
        "--commitment",
        help=t(
            "XML: ý nghĩa chữ ký (origin, receipt, delivery, sender, approval, creation)",
            "XML: what is meant (origin, receipt, delivery, sender, approval, creation)",
        ),
    ),
]
Mime = Annotated[
    str | None, typer.Option("--mime", help=t("XML: loại nội dung của tài liệu", "XML: media type of the document"))
]
PolicyFile = Annotated[
    str | None,
    typer.Option(
        "--signature-policy",
        metavar="ID=PATH",
        help=t(
            "XML: chính sách chữ ký (EPES): ĐỊNH DANH=TỆP CHÍNH SÁCH",
            "XML: signature policy (EPES): IDENTIFIER=its document",
        ),
    ),
]
Countersign = Annotated[
    str | None,
    typer.Option("--countersign", help=t("XML: ký xác nhận chữ ký có Id này", "XML: counter-sign the signature of Id")),
]
LeavesOut = Annotated[
    Literal["signatures", "itself"] | None,
    typer.Option(
        "--leaves-out",
        help=t(
            "XML: toàn tài liệu trừ mọi chữ ký, hoặc chỉ trừ chữ ký này",
            "XML: the whole document without all signatures, or without this one only",
        ),
    ),
]


def part(
    *,
    packaging: Packaging | None,
    elements: Sequence[str] | None,
    canonicalization: Canonicalization | None,
    roles: Sequence[str] | None,
    place: Mapping[str, str | None],
    commitment: str | None,
    mime: str | None,
    policy: str | None,
    countersign: str | None,
    leaves_out: str | None,
) -> dict[str, object] | None:
    """The part `xml` of an order; None where no option speaks of it."""
    said: dict[str, object | None] = {
        "packaging": packaging,
        "elements": elements or None,
        "canonicalization": canonicalization,
        "roles": roles or None,
        "production_place": {part: value for part, value in place.items() if value is not None} or None,
        "commitment": commitment,
        "mime": mime,
        "policy": None if policy is None else _policy(policy),
        "countersign": countersign,
        "leaves_out": leaves_out,
    }
    return {name: value for name, value in said.items() if value is not None} or None


def named(texts: Sequence[str] | None, *, option: str = "--detached") -> tuple[tuple[str, Path], ...]:
    """NAME=PATH of each; of several equal signs the first that leaves a file counts. Raises CommandFailed."""
    if texts is not None and len(texts) > MAX_DETACHED:
        raise console.usage(t(f"{option}: nhiều nhất {MAX_DETACHED} tệp", f"{option}: {MAX_DETACHED} files at most"))
    found: dict[str, Path] = {}
    for text in texts or ():
        name, path = _split(text, option=option)
        if name in found and _digest(found[name]) != _digest(path):
            raise console.usage(t(f"{option}: hai tệp cùng tên {name}", f"{option}: two files are named {name}"))
        found[name] = path
    return tuple(found.items())


@contextmanager
def opened(files: Sequence[tuple[str, Path]]) -> Iterator[dict[str, BinaryIO]]:
    """The files open, each time anew: a worker moves the position of what it is handed."""
    with ExitStack() as held:
        yield {name: held.enter_context(path.open("rb")) for name, path in files}


def _split(text: str, *, option: str) -> tuple[str, Path]:
    pieces = text.split("=")
    for count in range(1, len(pieces)):
        path = Path("=".join(pieces[count:]))
        if path.is_file():
            return "=".join(pieces[:count]), path
    if len(pieces) == 1:
        raise console.usage(t(f"{option} cần TÊN=TỆP, không phải {text}", f"{option} wants NAME=PATH, not {text}"))
    raise console.usage(t(f"{option}: không có tệp {pieces[-1]}", f"{option}: there is no file {pieces[-1]}"))


def _policy(text: str) -> dict[str, str]:
    identifier, path = _split(text, option="--signature-policy")
    digest = hashlib.sha256(path.read_bytes()).digest()
    return {"identifier": identifier, "digest": base64.b64encode(digest).decode()}


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
