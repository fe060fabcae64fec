"""One head a document: of those who build on the same signed file one gets through, and the older file is refused."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from api.errors import StaleDocument
from api.store import heads
from hsm.errors import TokenNotAvailable
from tests.documents import pdf
from tests.http_support import House, house
from tests.pki import Authority, Signer
from tests.unit.http.signing.scene import sign
from tests.unit.http.test_preparations import code, pem, post, prepare, put, value_of

pytestmark = pytest.mark.pades


@pytest.fixture
def home(tmp_path: Path) -> House:
    return house(tmp_path / "home")


@pytest.fixture
def blank(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


@pytest.fixture(scope="module")
def official() -> Signer:
    return Authority.root().authority().signer()


def signed(home: House, document: bytes, **order: object) -> bytes:
    """The signed file."""
    record = sign(home, document, **order).record
    return home.services.blobs.path(record.signed_blob or "").read_bytes()


def test_a_chain_goes_on_from_its_newest_file_alone(home: House, blank: bytes):
    """Three in turn; whoever comes with the first or second file is refused, by whichever caller, with no key used."""
    first = signed(home, blank)
    second = signed(home, first)
    third = signed(home, second, name="administrator")
    used = home.token.signed
    for old in (first, second):
        for name in ("client", "administrator"):
            with pytest.raises(StaleDocument) as caught:
                sign(home, old, name=name)
            assert {"found": hashlib.sha256(old).hexdigest()} == caught.value.facts
    assert used == home.token.signed
    assert [] == list(home.services.settings.tmp.iterdir())
    signed(home, third)


def test_a_blank_form_is_signed_by_as_many_as_like(home: House, blank: bytes):
    """A document without a signature of ours has no head: the same template goes out many times."""
    copies = [signed(home, blank, reason=f"bản {number}") for number in range(3)]
    assert 3 == len({hashlib.sha256(signed(home, copy)).hexdigest() for copy in copies})


def test_a_copy_may_go_a_way_of_its_own_when_the_order_says_so(home: House, blank: bytes):
    """`fork` signs the older file, and leaves the head where it is."""
    first = signed(home, blank)
    second = signed(home, first)
    signed(home, first, fork=True)
    signed(home, second)


def test_a_signature_that_failed_leaves_the_head(home: House, blank: bytes):
    """The token was away: the same file may be signed afterwards."""
    first = signed(home, blank)

    def broken() -> None:
        raise TokenNotAvailable

    home.token.before = broken
    with pytest.raises(TokenNotAvailable):
        sign(home, first)
    home.token.before = lambda: None
    home.token.logged.clear()
    signed(home, first)


def test_of_two_who_sign_the_same_head_at_once_one_gets_it(home: House, blank: bytes):
    """Six threads with the same file: one signature, five refusals, one use of the key."""
    first = signed(home, blank)
    used = home.token.signed
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def go() -> None:
        start.wait()
        try:
            sign(home, first)
            outcomes.append("signed")
        except StaleDocument:
            outcomes.append("stale")

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["signed"] + ["stale"] * 5 == sorted(outcomes)
    assert used + 1 == home.token.signed


def test_of_several_preparations_the_first_value_takes_the_head(home: House, blank: bytes, official: Signer):
    """A preparation holds nothing up; whose value comes later is refused, and so is one prepared on the old file."""
    first = signed(home, blank)
    early, quick = prepare(home, first, official), prepare(home, first, official)
    assert 200 == put(home, quick["id"], value_of(official, quick)).status_code
    assert (409, "stale-document") == code(put(home, early["id"], value_of(official, early)))
    assert (409, "stale-document") == code(post(home, first, certificate=pem(official)))
    assert (409, "stale-document") == code(post(home, first, key="seal"))
    assert 202 == post(home, first, certificate=pem(official), fork=True).status_code


def test_the_forms_of_one_signature_are_one_head(home: House, blank: bytes):
    """Lifted or not, one of them is built upon, and then both are old; a foreign file's lift is nobody's head."""
    first = signed(home, blank)
    digest = hashlib.sha256(first).hexdigest()
    database = home.services.database
    (identity,) = database.read(heads.require, digest)
    database.write(heads.lifted, "ab" * 32, signature=identity)
    assert (identity,) == database.read(heads.require, "ab" * 32)
    signed(home, first)
    for sha256 in (digest, "ab" * 32):
        with pytest.raises(StaleDocument):
            database.read(heads.require, sha256)
    assert () == database.read(heads.require, "cd" * 32)


def test_the_order_may_name_the_head(home: House, blank: bytes):
    """`head` is compared with what was sent, before anything else."""
    first = signed(home, blank)
    with pytest.raises(StaleDocument):
        sign(home, blank, head=hashlib.sha256(first).hexdigest())
    signed(home, first, head=hashlib.sha256(first).hexdigest())
