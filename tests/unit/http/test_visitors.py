"""Visitors: let in only where the settings say so, only to verify, and not more often than they say."""

from __future__ import annotations

import pytest

from api.visitors import TooManyRequests, Visitors
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pdf(tmp_path_factory.mktemp("pdf") / "plain.pdf").read_bytes()


def verify(home: House, document: bytes, *, name: str | None = None, **headers: str):
    files = {"document": ("a.pdf", document, "application/pdf")}
    return home.ask("POST", "/v1/verifications", name=name, files=files, headers=headers)


def test_a_closed_house_asks_for_a_key(tmp_path, document: bytes):
    """The default: no visitor verifies anything, and the page asks for the key."""
    home = house(tmp_path / "home")
    assert 401 == verify(home, document).status_code
    page = home.ask("GET", "/", name=None).text
    assert 'access="key"' in page
    assert "<form" not in page  # without a key there is nothing that a form could send


def test_an_open_house_lets_visitors_verify_and_nothing_else(tmp_path, document: bytes):
    """Documents are verified without a key; a key that is wrong is refused all the same; nothing else is open."""
    home = house(tmp_path / "home", verification={"public": True})
    assert 200 == verify(home, document).status_code
    assert 401 == verify(home, document, Authorization="Bearer kyso_wrong_key").status_code
    for method, path in (("GET", "/v1/keys"), ("POST", "/v1/signatures"), ("POST", "/v1/extensions")):
        assert 401 == home.ask(method, path, name=None).status_code
    page = home.ask("GET", "/", name=None).text
    assert 'access="optional"' in page
    assert '<form id="verify"' in page


def test_every_visitor_has_a_worker_of_their_own(tmp_path, document: bytes):
    """Two requests without a key never share a worker: visitors are strangers to one another."""
    home = house(tmp_path / "home", verification={"public": True})
    clients: list[str] = []
    opened = home.documents.open
    home.documents.open = lambda client: clients.append(client) or opened(client)
    for _ in range(2):
        verify(home, document)
    assert 2 == len(set(clients))
    assert all(client.startswith("visitor-") for client in clients)


def test_visitors_send_small_documents_and_seldom(tmp_path, document: bytes):
    """Larger ones are refused with 413, more of them in a minute with 429; an API key is bound by neither."""
    home = house(tmp_path / "home", verification={"public": True, "public_bytes": 2048, "public_per_minute": 2})
    large = document + b"%" * 4096
    assert 413 == verify(home, large).status_code
    assert 200 == verify(home, document).status_code
    refused = verify(home, document)
    assert (429, "too-many-requests") == (refused.status_code, refused.json()["code"])
    assert refused.headers["retry-after"]
    assert 200 == verify(home, large, name="client").status_code


def test_a_minute_later_there_is_room_again():
    """The count is of the last sixty seconds, for each address."""
    now = [0.0]
    gate = Visitors(per_minute=2, at_a_time=0, clock=lambda: now[0])
    for _ in range(2):
        with gate.admit("a"):
            pass
    with pytest.raises(TooManyRequests), gate.admit("a"):
        pass
    with gate.admit("b"):
        pass
    now[0] = 61.0
    with gate.admit("a"):
        pass


def test_only_so_many_at_a_time():
    """Visitors together never take all the workers; room is given back, also after a failure."""
    gate = Visitors(per_minute=0, at_a_time=1)
    with gate.admit("a"), pytest.raises(TooManyRequests), gate.admit("b"):
        pass
    with pytest.raises(ValueError, match="no"), gate.admit("a"):
        raise ValueError("no")
    with gate.admit("b"):
        pass


def test_addresses_are_forgotten():
    """A million addresses do not fill the memory; while all are fresh, new ones wait."""
    now = [0.0]
    gate = Visitors(per_minute=1, at_a_time=0, clock=lambda: now[0])
    for number in range(10_000):
        with gate.admit(str(number)):
            pass
    with pytest.raises(TooManyRequests), gate.admit("one more"):
        pass
    now[0] = 61.0
    with gate.admit("one more"):
        pass
    assert len(gate._seen) == 1
