"""`/v1/uploads`: a file in pieces, by tus 1.0 (https://tus.io/protocols/resumable-upload), so that a broken line costs
nothing but its last seconds. What is finished is named as a document elsewhere, as `upload:ID`.

Of the protocol's extensions: creation, expiration, termination, checksum. The numbers are those of its sections.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api import links, resuming
from api.auth import needs
from api.errors import RequestInvalid
from api.refusals import MediaTypeNotSupported
from api.resuming import Checked, Taking, UploadOffsetWrong, UploadProtocolUnknown
from api.routes import common, reports
from api.routes.common import PROBLEMS
from api.store.resumable import Uploading
from api.uploads import Stored, Upload, clean_name

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], route_class=common.PlainRoute)

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination,checksum"
PIECE_TYPE = "application/offset+octet-stream"
ID = re.compile(r"upl_[0-9a-f]{32}")


def _header(name: str, what: str, *, is_required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": is_required, "schema": {"type": "string"}, "description": what}


RESUMABLE = _header("Tus-Resumable", f"`{VERSION}`")
BEGIN: dict[str, Any] = {
    "parameters": [
        RESUMABLE,
        _header("Upload-Length", "Bytes of the whole file"),
        _header("Upload-Metadata", "`filename` and its value in base64", is_required=False),
    ]
}
PIECE: dict[str, Any] = {
    "parameters": [
        RESUMABLE,
        _header("Upload-Offset", "Where the piece begins: where the upload ends"),
        _header("Upload-Checksum", "`sha256` (or `sha1`) and the piece's digest in base64", is_required=False),
    ],
    "requestBody": {"required": True, "content": {PIECE_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
}


@router.options("", status_code=204, summary="What is understood of tus", responses=PROBLEMS)
@needs("nothing")
async def offered(request: Request) -> Response:
    """§ OPTIONS."""
    offer = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(reports.upload_limit(request)),
        "Tus-Checksum-Algorithm": ",".join(resuming.DIGESTS),
    }
    return _answer(204, offer)


@router.post("", status_code=201, summary="Begin an upload", responses=PROBLEMS, openapi_extra=BEGIN)
@needs("verify")
async def begin(request: Request) -> Response:
    """§ Creation. The answer's `Location` is where its pieces go."""
    async with _asked(request) as owner:
        size = _whole(request, "Upload-Length")
        name, limit = _name(request), reports.upload_limit(request)
        services = common.services(request)
        made = await common.room(request).run(
            lambda: resuming.begin(services, owner, name=name, size=size, limit=limit)
        )
    return _answer(201, {"Location": links.to(f"/v1/uploads/{made.id}"), **_where(made)})


@router.get("/{upload}", summary="How far an upload is", responses=PROBLEMS)
@needs("verify")
async def state(request: Request, upload: str) -> Response:
    """§ HEAD; GET says the same in JSON."""
    async with _asked(request, is_tus=False) as owner:
        found = await _found(request, owner, upload)
    told = {"id": found.id, "name": found.name, "size": found.size, "offset": found.offset, "finished": found.is_whole}
    answer = common.json(told)
    answer.headers.update({"Tus-Resumable": VERSION, "Upload-Length": str(found.size), **_where(found)})
    return answer


@router.patch("/{upload}", status_code=204, summary="Send a piece", responses=PROBLEMS, openapi_extra=PIECE)
@needs("verify")
async def append(request: Request, upload: str) -> Response:
    """§ PATCH. What came before a line broke counts, unless the piece was to be checked."""
    async with _asked(request) as owner:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PIECE_TYPE:
            raise MediaTypeNotSupported(expected=PIECE_TYPE)
        found = await _found(request, owner, upload)
        if _whole(request, "Upload-Offset") != found.offset:
            raise UploadOffsetWrong(offset=found.offset)
        checksum = request.headers.get("upload-checksum")
        if checksum is None:
            offset = await _taken(request, found)
        else:
            offset = await _checked(request, found, checksum)
        found = await _found(request, owner, upload)
    return _answer(204, {**_where(found), "Upload-Offset": str(offset)})


@router.delete("/{upload}", status_code=204, summary="Remove an upload", responses=PROBLEMS)
@needs("verify")
async def remove(request: Request, upload: str) -> Response:
    """§ Termination."""
    async with _asked(request) as owner:
        await common.room(request).run(resuming.end, common.services(request), owner, _id(upload))
    return _answer(204, {})


async def _taken(request: Request, found: Uploading) -> int:
    taking, room = Taking(common.services(request), found), common.room(request)
    try:
        async for chunk in request.stream():
            if taking.feed(chunk):
                await room.run(taking.store)
    except ClientDisconnect:
        await room.run(taking.store)
        raise RequestInvalid("the connection ended before the piece did") from None
    await room.run(taking.store)
    return taking.offset


async def _checked(request: Request, found: Uploading, checksum: str) -> int:
    name, _, text = checksum.partition(" ")
    if name not in resuming.DIGESTS:
        raise RequestInvalid(f"Upload-Checksum: {' or '.join(resuming.DIGESTS)}", field="Upload-Checksum")
    checked = Checked(common.services(request), found, name=name, digest=_decoded(text, "Upload-Checksum"))
    try:
        async for chunk in request.stream():
            checked.feed(chunk)
        await common.room(request).run(checked.store)
    except ClientDisconnect:
        raise RequestInvalid("the connection ended before the piece did") from None
    finally:
        checked.close()
    return checked.offset


def stored(request: Request, owner: str) -> Stored:
    """What opens a finished upload for a call that takes a document."""

    async def opened(reference: str) -> Upload:
        return await common.room(request).run(resuming.opened, common.services(request), owner, reference)

    return opened


@asynccontextmanager
async def _asked(request: Request, *, is_tus: bool = True) -> AsyncIterator[str]:
    """Who owns what this request is about. Raises UploadProtocolUnknown, and what `reports.asking` raises."""
    async with reports.asking(request) as asking:
        if is_tus and request.headers.get("tus-resumable") != VERSION:
            raise UploadProtocolUnknown(version=VERSION)
        yield resuming.VISITORS if asking.caller is None else asking.caller.id


async def _found(request: Request, owner: str, upload: str) -> Uploading:
    return await common.side_room(request).run(resuming.find, common.services(request), owner, _id(upload))


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise resuming.UploadNotFound
    return text


def _where(found: Uploading) -> dict[str, str]:
    return {"Upload-Offset": str(found.offset), "Upload-Expires": formatdate(found.expires_at, usegmt=True)}


def _answer(status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, "Cache-Control": "no-store", **headers})


def _whole(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RequestInvalid(f"{name}: a whole number", field=name)
    return int(text)


def _name(request: Request) -> str:
    """The file's name of Upload-Metadata: pairs of a key and a value in base64, with commas between them."""
    for pair in request.headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        if key in ("filename", "name"):
            return clean_name(_decoded(value, "Upload-Metadata"))
    return "document"


def _decoded(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        raise RequestInvalid(f"{field}: base64", field=field) from None
