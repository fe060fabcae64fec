"""Frames between client and worker: bounded, typed, with files beside them."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from api.sandbox import wire
from signer.model import Place, SignOrder

pytestmark = pytest.mark.spine


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.settimeout(5)
        yield ours, theirs


def test_a_message_arrives_with_its_files(pair):
    """What is sent with a descriptor is received with one that reads the same file."""
    ours, theirs = pair
    reading, writing = os.pipe()
    wire.send(ours, wire.Answer(b"x" * 10), files=[reading])
    body, files = wire.receive_with_files(theirs)
    os.write(writing, b"through")

    assert wire.to_worker(body) == wire.Answer(b"x" * 10)
    assert [os.read(files[0], 10)] == [b"through"]
    for descriptor in (reading, writing, *files):
        os.close(descriptor)


def test_a_large_message_arrives_whole(pair):
    """A frame beyond the socket's buffer is sent and received in pieces."""
    import threading

    ours, theirs = pair
    sender = threading.Thread(target=wire.send, args=(ours, wire.Answer(bytes(5_000_000))))
    sender.start()
    received = wire.to_worker(wire.receive(theirs))
    sender.join()

    assert received == wire.Answer(bytes(5_000_000))


def test_a_time_keeps_its_offset():
    """An order's signing time at +07:00 comes back at +07:00, as it is to be written into the document."""
    order = SignOrder(
        certificate=b"c",
        chain=(b"x",),
        mechanism="ed25519",
        signing_time=datetime(2026, 11, 22, 9, tzinfo=timezone(timedelta(hours=7))),
        place=Place(1, (1, 2, 3, 4)),
    )
    arrived = wire.unpack(wire.pack(order), SignOrder)

    assert arrived == order
    assert arrived.signing_time.isoformat() == "2026-11-22T09:00:00+07:00"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (wire.HEADER.pack(wire.MAX_FRAME + 1), "a frame of"),
        (wire.HEADER.pack(3) + b"abcd", "bytes behind"),
        (wire.HEADER.pack(9) + b"abc", "closed within"),
        (b"\0\0", "closed"),
    ],
)
def test_what_is_no_frame_is_refused(pair, sent, why):
    """A length beyond the bound, bytes behind the frame and a torn frame are breaches of the protocol."""
    ours, theirs = pair
    ours.sendall(sent)
    ours.shutdown(socket.SHUT_WR)

    with pytest.raises(wire.WireError, match=why):
        wire.receive(theirs)


def test_more_files_than_allowed_are_refused_and_closed(pair):
    """A frame with too many descriptors leaves none behind."""
    ours, theirs = pair
    before = descriptors()
    wire.send(ours, wire.Later(), files=[0] * (wire.MAX_FILES + 3))

    with pytest.raises(wire.WireError, match="more files"):
        wire.receive_with_files(theirs)
    assert descriptors() == before


def test_files_sent_to_a_plain_reader_are_dropped(pair):
    """A worker cannot push descriptors into its client, which reads without taking any."""
    ours, theirs = pair
    wire.send(ours, wire.Later(), files=[0, 0])
    before = descriptors()
    wire.receive(theirs)

    assert descriptors() == before


@pytest.mark.parametrize("body", [b"", b"\xff", msgspec.msgpack.encode(["result", 1]), msgspec.msgpack.encode({})])
def test_a_body_of_another_type_is_refused(body):
    """What does not decode into a message of the protocol is an error, never a message."""
    with pytest.raises(wire.WireError):
        wire.from_worker(body)


def test_a_closed_channel_is_an_error_for_the_sender(pair):
    """Sending to nobody raises, and does not end the process by SIGPIPE."""
    ours, theirs = pair
    theirs.close()

    with pytest.raises(wire.WireError):
        wire.send(ours, wire.Later())
