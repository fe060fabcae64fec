"""Uploads stream to disk with limit and digest, whatever the chunks, and leave nothing behind when they fail."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.requests import Request

from api import uploads
from api.errors import RequestInvalid, UploadTooLarge
from api.refusals import MediaTypeNotSupported, NameInvalid

pytestmark = pytest.mark.spine

BODY = b"%PDF-1.7 " + bytes(range(256)) * 40


def multipart(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> bytes:
    """A body with boundary `x`; each part is its Content-Disposition's parameters and its content."""
    return (
        b"".join(
            b"--x\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + body + b"\r\n"
            for head, body in parts
        )
        + end
    )


WHOLE = multipart(('name="document"; filename="a.pdf"', BODY), ('name="order"', b"{}"))


def receive(
    folder: Path, chunks: list[bytes], *, limit: int = 1 << 20, kind: str = "multipart/form-data; boundary=x", **more
):
    """`uploads.receive` of these chunks; a None chunk is a client that hangs up."""
    messages = [
        {"type": "http.disconnect"} if chunk is None else {"type": "http.request", "body": chunk, "more_body": True}
        for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def next_message():
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    return asyncio.run(uploads.receive(Request(scope, next_message), folder=folder, limit=limit, **more))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=30))
def test_however_it_is_cut_it_arrives_whole(tmp_path: Path, cuts: list[int]):
    """File, digest, size and fields are the same for every division of the body into chunks."""
    edges = [0, *sorted(cuts), len(WHOLE)]
    chunks = [WHOLE[start:end] for start, end in itertools.pairwise(edges)]
    with receive(tmp_path, chunks, needs=("order",)) as upload:
        assert BODY == upload.file.read()
        assert (hashlib.sha256(BODY).hexdigest(), len(BODY)) == (upload.sha256, upload.size)
        assert ({"order": b"{}"}, "a.pdf") == (upload.fields, upload.name)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (multipart(('name="order"', b"{}")), RequestInvalid),
        (multipart(('name="document"', b"1"), ('name="document"', b"2")), RequestInvalid),
        (multipart(('name="document"', b"1"), ('name="order"', b"1"), ('name="order"', b"2")), RequestInvalid),
        (multipart(('name="document"', b"1"), ('name="options"', b"x" * 70_000)), RequestInvalid),
        (multipart(('name="document"', b"1"), ('name="order"', b"x" * 1_600_000)), RequestInvalid),
        (multipart(*((f'name="f{n}"', b"") for n in range(20))), RequestInvalid),
        (multipart(("", b"1")), RequestInvalid),
        (WHOLE[:-20], RequestInvalid),
        (b"", RequestInvalid),
        (b"no multipart at all", RequestInvalid),
        (multipart(('name="document"; filename="a\x00.pdf"', b"1")), (NameInvalid, RequestInvalid)),
        (multipart(('name="document"; filename="a%0A.pdf"', b"1")), NameInvalid),
        (multipart(('name="document"; filename="\u202egpj.pdf"', b"1")), NameInvalid),
        (multipart(('name="document"; filename="' + "x" * 300 + '"', b"1")), NameInvalid),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path: Path, body: bytes, error):
    """Each malformed body is refused by name and no file stays."""
    with pytest.raises(error):
        receive(tmp_path, [body], needs=())
    assert [] == list(tmp_path.iterdir())


def test_the_limit_holds_while_it_streams(tmp_path: Path):
    """One byte too many is refused; a body of exactly the limit is not."""
    receive(tmp_path, [WHOLE], limit=len(BODY)).close()
    with pytest.raises(UploadTooLarge):
        receive(tmp_path, [WHOLE], limit=len(BODY) - 1)
    assert [] == list(tmp_path.iterdir())


def test_a_client_that_hangs_up_leaves_nothing(tmp_path: Path):
    """A connection that ends within the document removes what had arrived."""
    with pytest.raises(RequestInvalid):
        receive(tmp_path, [WHOLE[:5000], None])
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/mixed; boundary=x", ""])
def test_another_content_type_is_refused(tmp_path: Path, kind: str):
    """Only multipart/form-data with a boundary is read at all."""
    with pytest.raises(MediaTypeNotSupported):
        receive(tmp_path, [WHOLE], kind=kind)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("giấy.pdf", "giấy.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.pdf", "b.pdf"),
        ("", "document"),
        ("..", "document"),
    ],
)
def test_file_names_lose_their_path(raw: str, name: str):
    """Only the base name is kept, in NFC."""
    assert name == uploads.clean_name(raw.encode())


def test_a_local_file_is_copied_with_its_digest(tmp_path: Path):
    """The command line's file stays where it is."""
    source = tmp_path / "in.pdf"
    source.write_bytes(BODY)
    folder = tmp_path / "tmp"
    folder.mkdir()
    with source.open("rb") as file, uploads.of_file(file, name="in.pdf", folder=folder, limit=1 << 20) as upload:
        assert (hashlib.sha256(BODY).hexdigest(), BODY) == (upload.sha256, upload.file.read())
    assert source.exists()
    assert [] == list(folder.iterdir())


def test_detached_contents_arrive_beside_the_document(tmp_path: Path):
    """Each goes to a file of its own, with its name as the reference says it, its digest and its media type."""
    body = multipart(
        ('name="document"; filename="a.xml"', b"<a/>"),
        ('name="detached"; filename="hồ sơ/đơn.pdf"\r\nContent-Type: application/pdf', BODY),
        ('name="detached"; filename="b.bin"\r\nContent-Type: application/octet-stream', b""),
        ('name="order"', b"{}"),
    )
    for size in (1, 7, len(body)):
        with receive(tmp_path, [body[at : at + size] for at in range(0, len(body), size)]) as upload:
            first, second = upload.detached
            assert ("hồ sơ/đơn.pdf", "application/pdf", len(BODY)) == (first.name, first.mime, first.size)
            assert BODY == first.file.read()
            assert hashlib.sha256(BODY).hexdigest() == first.sha256
            assert ("b.bin", None, 0) == (second.name, second.mime, second.size)
            assert b"<a/>" == upload.file.read()
            assert {"order": b"{}"} == upload.fields
        assert first.file.closed
    assert [] == list(tmp_path.iterdir())


def test_two_contents_under_one_name_are_refused(tmp_path: Path):
    """The same content twice counts once; what a browser sends for an empty input counts not at all."""
    document = ('name="document"; filename="a.xml"', b"<a/>")
    once = ('name="detached"; filename="b.pdf"', b"1")
    with receive(tmp_path, [multipart(document, once, once, ('name="detached"; filename=""', b""))]) as upload:
        assert ["b.pdf"] == list(upload.contents)
    with pytest.raises(RequestInvalid):
        receive(tmp_path, [multipart(document, once, ('name="detached"; filename="b.pdf"', b"2"))])


def test_detached_contents_are_bounded(tmp_path: Path):
    """Their number, their names, and their size together with the document's."""
    document = ('name="document"; filename="a.xml"', b"<a/>")
    many = [(f'name="detached"; filename="{number}"', b"1") for number in range(33)]
    with receive(tmp_path, [multipart(document, *many[:32])]) as upload:
        assert 32 == len(upload.detached)
    with pytest.raises(RequestInvalid):
        receive(tmp_path, [multipart(document, *many)])
    with pytest.raises(UploadTooLarge):
        receive(tmp_path, [multipart(document, ('name="detached"; filename="b"', bytes(100)))], limit=100)
    for name in ("a\u202eb.pdf", "x" * 1001):
        with pytest.raises(NameInvalid):
            receive(tmp_path, [multipart(document, (f'name="detached"; filename="{name}"', b"1"))])
