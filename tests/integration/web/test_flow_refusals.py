"""What goes wrong at an official's page before a whole appliance: refused with a sentence in Vietnamese and a code, and
nothing is half done."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.documents import pages
from tests.integration.web.flow import WAY, Journey, letter
from tests.integration.web.office import (
    AUTHENTICATOR,
    CELL,
    CLERK,
    COMMITTEE,
    RECEIVING,
    RECEIVING_CELL,
    RECEIVING_CLERK,
    House,
    Signer,
)

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pages(tmp_path_factory.mktemp("paper") / "a.pdf", 1).read_bytes()


@pytest.fixture(scope="module", autouse=True)
def short(offices: House, paper: bytes) -> tuple[dict[str, Any], datetime]:
    """A session that runs out while the others are tried, and when it does."""
    until = datetime.now(UTC) + timedelta(seconds=10)
    return offices.ask(paper, who=CLERK, expires_at=until.isoformat()), until


def said(house: House) -> str:
    """What the page says of the trouble, once there is some."""
    house.tab.wait("deep('#problem')")
    return str(house.tab.run("deep('#problem').innerText"))


def untouched(house: House, told: dict[str, Any], *, state: str = "opened") -> bool:
    """Nothing was signed, and nothing is under way."""
    session = house.state(told)
    (document,) = session["documents"]
    return (state, "waiting") == (session["state"], document["state"]) and "signature" not in document["outcome"]


def test_a_step_is_refused_before_anybody_is_asked(house: House):
    """Out of order, in the wrong role, by an organisation that is another body, on an older copy: no session is made."""
    journey = Journey(house)
    for leg in WAY[:2]:
        journey.go(leg)
    first, committee = journey.signatures
    for document, step, who, code in (
        (letter(), "o3-dau", CLERK, "out-of-order"),
        (committee, "o6-ky", RECEIVING, "out-of-order"),
        (committee, "o3-ky", COMMITTEE, "step-done"),
        (committee, "o3-dau", COMMITTEE, "wrong-role"),
        (committee, "o3-dau", RECEIVING_CLERK, "wrong-role"),
        (committee, "o3-dau", RECEIVING_CELL, "wrong-role"),
        (first, "o3-ky", COMMITTEE, "stale-document"),
    ):
        answer = house.post(document, step=step, who=who)
        assert (code, 4) == (answer.json().get("code"), answer.status_code // 100), (step, who, answer.text)
    bodies = {"co-so-di": "DU-CS-DEN"}
    assert "request-invalid" == house.post(committee, step="o3-dau", who=CLERK, bodies=bodies).json()["code"]
    assert 201 == house.post(committee, step="o3-dau", who=CLERK, bodies={"co-so-den": "DU-CS-DEN"}).status_code


def test_what_was_swapped_after_it_was_shown_is_not_signed(house: House, paper: bytes):
    """The page consents to other bytes than the stored ones."""
    told = house.ask(paper, who=COMMITTEE, keys=[COMMITTEE.key])
    hands = Journey(house)
    hands.open(told)
    house.tab.run(
        "window.send = window.fetch; window.fetch = (where, how) => send(where, !how?.body ? how :"
        ' { ...how, body: how.body.replace(/"sha256":"..../, \'"sha256":"0000\') }); 0'
    )
    hands.use("#consent")
    text = said(house)
    assert "Tài liệu không phải bản đã hiển thị" in text
    assert "document-changed" in text
    assert "0200 000 000" in text
    assert untouched(house, told)


def test_somebody_elses_certificate_is_shown_as_such_and_refused(house: House, paper: bytes):
    """It cannot be chosen; who asks the service itself is refused."""
    told = house.ask(paper, who=CELL, keys=[RECEIVING.key])
    hands = Journey(house)
    hands.open(told)
    assert house.tab.run(f"deep('#key-{RECEIVING.key}').disabled && deep('#consent').disabled")
    assert "Thuộc về người hoặc cơ quan khác" in house.tab.run("deep('#certificates').innerText")
    answer = house.consent(told, RECEIVING.key)
    assert (403, "certificate-of-another-person") == (answer.status_code, answer.json()["code"])
    assert untouched(house, told)


def test_a_second_window_is_told_that_the_first_has_consented(house: House, paper: bytes):
    """Two browsers on one session: one consent gets through, the other window says so and then follows."""
    told = house.ask(paper, who=CLERK)
    hands = Journey(house)
    hands.open(told)
    assert 202 == house.consent(told, CLERK.key).status_code
    hands.use("#consent")
    text = said(house)
    assert "Đã có người đồng ý ký" in text
    assert "session-consented" in text
    house.tab.click("#problem button")
    house.tab.wait("deepAll('nav .good').length")
    assert 1 == len([one for one in house.state(told)["documents"] if one["state"] == "signed"])


def test_what_was_withdrawn_meanwhile_is_not_signed(house: House, paper: bytes):
    """A consent to a session that its system took back."""
    told = house.ask(paper, who=COMMITTEE, keys=[COMMITTEE.key])
    hands = Journey(house)
    hands.open(told)
    house.client.delete(f"/v1/sessions/{told['id']}").raise_for_status()
    hands.use("#consent")
    text = said(house)
    assert "session-withdrawn" in text
    assert "thu hồi" in text
    assert not house.tab.run("deep('#consent') || deep('#returning')")
    assert untouched(house, told, state="withdrawn")


def test_an_altered_link_opens_nothing(house: House, paper: bytes):
    """Another token, and the token of another session: a sentence, and nothing of the session."""
    told, other = (house.ask(paper, who=who) for who in (CLERK, COMMITTEE))
    swapped = f"{told['url'].partition('#')[0]}#token={other['token']}"
    for url in (told["url"][:-3] + "AAA", swapped):
        house.tab.open("about:blank")
        house.tab.open(url)
        text = said(house)
        assert "Liên kết không hợp lệ" in text
        assert "session-token-invalid" in text
        assert not house.tab.run("deep('#title')")
    assert untouched(house, told, state="waiting")


def test_answers_of_another_passkey_lock_in_the_end(house: House, paper: bytes):
    """A stranger's authenticator that calls itself the right one: refused with a sentence, then locked; nothing is
    signed, and when the lock is lifted the right one signs."""
    who: Signer = RECEIVING_CELL
    told = house.ask(paper, who=who, keys=[who.key])
    tab, hands = house.tab, Journey(house)
    right = house.passkeys
    keys = tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR | {"transport": "usb"})["authenticatorId"]
    own, strange = (house.passkey_of(key) for key in (who.key, CELL.key))
    tab.call("WebAuthn.clearCredentials", authenticatorId=house.authenticator)
    tab.call("WebAuthn.addCredential", authenticatorId=keys, credential=own | {"privateKey": strange["privateKey"]})
    try:
        hands.open(told)
        texts = []
        for _ in range(12):
            hands.use("#consent")
            texts.append(said(house))
            if "activation-locked" in texts[-1]:
                break
        assert "Xác nhận không hợp lệ" in texts[0]
        assert "activation-refused" in texts[0]
        assert "Tạm khóa vì xác nhận sai nhiều lần" in texts[-1]
        assert untouched(house, told, state="consented")
    finally:
        tab.call("WebAuthn.removeVirtualAuthenticator", authenticatorId=keys)
        house.put_passkeys(right)
        with house.admin as admin:
            admin.lift_lock(who.key)
    hands.agree()
    assert "done" == house.state(told)["state"]


def test_what_ran_out_is_neither_shown_nor_signed(house: House, short: tuple[dict[str, Any], datetime]):
    """After its time the link says so, and a consent that comes too late is refused."""
    told, until = short
    time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + 0.1)
    for answer in (house.call(told, "GET"), house.consent(told, CLERK.key)):
        assert (410, "session-expired") == (answer.status_code, answer.json()["code"])
    house.tab.open(told["url"])
    assert "session-expired" in said(house)
    assert "signature" not in house.state(told)["documents"][0]["outcome"]
