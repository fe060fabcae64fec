"""The administrator's page: who sees which room, what its forms change, and what they are refused for."""

from __future__ import annotations

import hashlib
import html
import re
import tomllib
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from api.changes import Changes
from api.store import callers
from api.store.callers import Caller
from api.store.tables import job
from tests.http_support import House, house
from tests.pki import Authority
from tests.unit.admin.people import ROOMS, TWO, Somebody, administrator, signed_in

pytestmark = pytest.mark.appliance

RULE = '{"callers": "role:client", "keys": "seal*", "per_day": 7}'
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Shared: what one test adds the others do not count."""
    return house(tmp_path_factory.mktemp("admin") / "home", changes=TWO)


@pytest.fixture(scope="module")
def first(home: House) -> Somebody:
    return signed_in(home, "administrator")


@pytest.fixture(scope="module")
def second(home: House) -> Somebody:
    return administrator(home, f"Hai {HOSTILE}")


def changes(home: House) -> list[str]:
    return [line.facts["what"] for line in home.services.ledger.read(limit=1000, kind="CHANGED")]


def proposed(somebody: Somebody, name: str, rule: str = RULE) -> str:
    """The id of a rule that was proposed."""
    page = somebody.follow(somebody.propose(kind="rights-set", name=name, rule=rule, reason="thử"))
    return re.search(r"Proposal (chg_[0-9a-f]+) is on record", page.text)[1]


def approval(page: str, change: str) -> str:
    """The digest that the form of approval carries."""
    return re.search(rf'changes/{change}/approval.*?name="sha256" value="([0-9a-f]+)"', page, re.DOTALL)[1]


# --- who may ----------------------------------------------------------------------------------------------------------


def test_whoever_has_no_session_is_led_to_sign_in(home: House) -> None:
    """Each room, and each form, which changes nothing."""
    nobody, before = Somebody(home), changes(home)
    answers = [nobody.get(f"/admin{room}") for room in ROOMS] + [nobody.propose(kind="rights-set", csrf="x")]
    assert {(303, "/login")} == {(one.status_code, one.headers["location"].split("?")[0]) for one in answers}
    assert before == changes(home)


@pytest.mark.parametrize("name", ["client", "auditor"])
def test_other_roles_get_a_page_with_403(home: House, name: str) -> None:
    """No room, no form but the one to sign out, and nothing changes."""
    somebody = Somebody(home)
    begun = somebody.post("/login", api_key=home.secrets[name], next="/admin")
    somebody.cookie = begun.headers["set-cookie"].split(";")[0]
    before = changes(home)
    pages = [somebody.get(f"/admin{room}") for room in ROOMS]
    assert {403} == {one.status_code for one in pages}
    assert all("may not see it" in one.text and 1 == one.text.count("<form") for one in pages)
    somebody.csrf = re.search(r'name="csrf" value="([^"]+)"', pages[0].text)[1]
    assert 403 == somebody.propose(kind="rights-set", name="x", rule=RULE, reason="x").status_code
    assert 403 == somebody.post("/admin/callers", caller_name="x", role="client").status_code
    assert before == changes(home)


def test_an_administrator_of_one_organisation_is_not_the_appliances(home: House) -> None:
    """All of the page is about the whole appliance."""
    home.secrets["local"] = home.services.database.write(
        callers.create, name="local", role="administrator", keys=(), organisation="org_somewhere"
    )
    somebody = Somebody(home)
    begun = somebody.post("/login", api_key=home.secrets["local"], next="/admin")
    somebody.cookie = begun.headers["set-cookie"].split(";")[0]
    assert {403} == {somebody.get(f"/admin{room}").status_code for room in ROOMS}


def test_an_operator_looks_and_changes_nothing(home: House) -> None:
    """Overview, keys, tokens, queue; no other room; the only form signs out; a form that is sent all the same is refused."""
    operator = signed_in(home, "operator")
    seen = {room: operator.get(f"/admin{room}") for room in ROOMS}
    assert ["", "/keys", "/tokens", "/queue"] == [room for room, page in seen.items() if page.status_code == 200]
    assert {403} == {page.status_code for room, page in seen.items() if room not in ("", "/keys", "/tokens", "/queue")}
    assert {1} == {page.text.count("<form") for page in seen.values()}
    before = changes(home)
    assert 403 == operator.propose(kind="key-disable", key="seal", reason="x").status_code
    assert 403 == operator.post("/admin/jobs/x/retry").status_code
    assert before == changes(home)


def test_forms_of_no_page_of_the_session_are_refused(home: House, first: Somebody, second: Somebody) -> None:
    """Without the token, and with that of another session: a page of 403, and nothing changes."""
    before = changes(home)
    for token in ("", "x", second.csrf):
        refusals = [
            first.propose(kind="rights-set", name="x", rule=RULE, reason="x", csrf=token),
            first.post("/admin/callers", caller_name="x", role="client", csrf=token),
            first.post("/admin/changes/chg_1/approval", sha256="0" * 64, csrf=token),
            first.post("/admin/sessions/x/end", csrf=token),
        ]
        assert [403] * 4 == [one.status_code for one in refusals]
        assert all("<h1" in one.text for one in refusals)
    assert before == changes(home)


# --- changes ----------------------------------------------------------------------------------------------------------


def test_one_proposes_another_approves_and_it_is_undone(home: House, first: Somebody, second: Somebody) -> None:
    """Each step leads to a room that says what happened; the ledger has a line for each; two decide on undoing, too."""
    change = proposed(first, "hai-nguoi")
    own = first.get("/admin/changes").text
    assert f"{change}/approval" not in own
    assert "Another administrator has to approve it" in own
    shown = second.get("/admin/changes").text
    assert "<ins>+   &#34;per_day&#34;: 7" in shown
    done = second.follow(second.post(f"/admin/changes/{change}/approval", sha256=approval(shown, change)))
    assert f"Change {change} was approved and done" in done.text
    assert "hai-nguoi" in first.get("/admin/rules").text
    undoing = first.follow(first.post(f"/admin/changes/{change}/undoing", reason="nhầm"))
    back = re.search(r"The proposal (chg_[0-9a-f]+) to take it back", undoing.text)[1]
    shown = second.get("/admin/changes").text
    assert "<del>−   &#34;per_day&#34;: 7" in shown
    second.post(f"/admin/changes/{back}/approval", sha256=approval(shown, back))
    assert "hai-nguoi" not in first.get("/admin/rules").text
    assert ["change-proposed", "change-approved", "change-applied"] * 2 == changes(home)[-6:]


def test_the_proposer_does_not_approve(home: House, first: Somebody) -> None:
    """A form that was made by hand is refused in words, and the change waits on."""
    change = proposed(first, "mot-nguoi")
    sha256 = re.search(
        rf'id="{change}".*?<dd class="exact">([0-9a-f]{{64}})', first.get("/admin/changes").text, re.DOTALL
    )[1]
    refused = first.post(f"/admin/changes/{change}/approval", sha256=sha256)
    assert 409 == refused.status_code
    assert 'role="alert"' in refused.text
    withdrawn = first.follow(first.post(f"/admin/changes/{change}/rejection"))
    assert f"Change {change} was rejected" in withdrawn.text


def test_what_was_not_shown_is_not_approved(home: House, first: Somebody, second: Somebody) -> None:
    """The digest in the form is that of the proposal that was seen."""
    change = proposed(first, "khac")
    refused = second.post(f"/admin/changes/{change}/approval", sha256="0" * 64)
    assert 'role="alert"' in refused.text
    assert f'id="{change}"' in refused.text
    second.post(f"/admin/changes/{change}/rejection")


def test_an_approver_sees_what_would_hide(first: Somebody, second: Somebody) -> None:
    """Characters that nobody sees, or that turn the direction of writing, are written as numbers."""
    text = 'extends = "default" # \u202e\u200b\n'
    first.propose(kind="policy-set", name="an", text=text, reason="thử")
    shown = second.get("/admin/changes").text
    assert "+ extends = &#34;default&#34; # [U+202E][U+200B]" in shown
    assert "\u202e" not in shown


def test_a_policy_may_be_as_long_as_policies_may_be(first: Somebody, second: Somebody) -> None:
    """Longer than other forms; what is longer still is refused before it is read to its end."""
    text = 'extends = "default"\n' + "# ghi chú\n" * 5_000
    page = first.follow(first.propose(kind="policy-set", name="dai", text=text, reason="thử"))
    change = re.search(r"Proposal (chg_[0-9a-f]+)", page.text)[1]
    second.post(f"/admin/changes/{change}/rejection")
    assert "ghi ch" in second.get(f"/admin/changes/{change}").text  # what was rejected can still be read
    assert 413 == first.propose(kind="policy-set", name="dai", text="#" * 500_000, reason="thử").status_code


def test_a_sample_of_any_size_is_tried(first: Somebody, second: Somebody) -> None:
    """The verdict as things are and as they would be, before the approval; nothing is decided by it."""
    page = first.follow(first.propose(kind="policy-set", name="thu", text='extends = "default"\n', reason="thử"))
    change = re.search(r"Proposal (chg_[0-9a-f]+)", page.text)[1]
    sample = {"document": ("mau.pdf", b"%PDF" + bytes(100_000), "application/pdf")}
    found = second.post("/admin/trials", files=sample, change=change)
    assert 200 == found.status_code
    assert "Trial on mau.pdf" in found.text
    assert "The verdict stays the same" in found.text
    nothing = second.post("/admin/trials", files={"document": ("", b"", "application/pdf")}, change=change)
    assert 'id="fault-document"' in nothing.text
    second.post(f"/admin/changes/{change}/rejection")


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "Tên Sai"}, "name"),
        ({"sha256": "12"}, "sha256"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"certificate": "xin chào"}, "certificate"),
        ({"certificate": ""}, "certificate"),
        ({"signing": "", "timestamping": ""}, "purposes"),
        ({"until": "hôm nay"}, "until"),
        ({"reason": " "}, "reason"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(first: Somebody, form: dict[str, str], field: str) -> None:
    """The form comes back with what was written, and the field names its fault for screen readers."""
    made = Authority.root("Gốc mới (demo)")
    good = {
        "name": "goc",
        "certificate": made.pem.decode(),
        "sha256": hashlib.sha256(made.der).hexdigest(),
        "reason": "công văn mẫu",
        "signing": "yes",
        "timestamping": "yes",
    }
    answer = first.propose(kind="trust-add", **good | form)
    assert 400 <= answer.status_code < 500
    assert [f"fault-{field}"] == re.findall(r'id="(fault-[a-z0-9_]+)"', answer.text)
    assert field == "purposes" or re.search(rf'name="{field}"[^>]*aria-invalid="true"[^>]*fault-{field}', answer.text)
    assert html.escape((good | form)["sha256"]) in answer.text


def test_a_certificate_comes_as_a_file_and_its_digest_as_people_copy_it(first: Somebody, second: Somebody) -> None:
    """DER, and capitals with colons; a subject with markup is shown as text."""
    made = Authority.root(f"Gốc {HOSTILE}")
    digest = hashlib.sha256(made.der).hexdigest().upper()
    pairs = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    first.propose(document=made.der, kind="trust-add", name="tep", sha256=pairs, signing="yes", reason="thử")
    shown = second.get("/admin/changes").text
    change = re.search(r'article class="change" id="(chg_[0-9a-f]+)"', shown)[1]
    assert html.escape(HOSTILE) in shown or "\\&lt;script" in shown
    assert HOSTILE not in shown
    second.post(f"/admin/changes/{change}/approval", sha256=approval(shown, change))
    trusted = first.get("/admin/trust").text
    assert digest.lower() in trusted
    assert HOSTILE not in trusted


# --- callers, sessions, jobs ------------------------------------------------------------------------------------------


def test_an_api_key_is_shown_once(home: House, first: Somebody) -> None:
    """It opens, and no page that is asked for later has it; names of callers are text wherever they stand."""
    answer = first.post("/admin/callers", caller_name=f"Máy {HOSTILE}", role="auditor", keys="seal* con-dau", days="30")
    key = re.search(r"kyso_[0-9a-f]{12}_[0-9a-f]{48}", answer.text)[0]
    assert "no-store" == answer.headers["cache-control"]
    found = home.services.database.read(callers.find, key)
    assert ("auditor", ("seal*", "con-dau")) == (found.role, found.keys)
    listed = first.get("/admin/callers").text
    assert key not in listed
    assert html.escape(HOSTILE) in listed
    assert HOSTILE not in listed + answer.text + first.get("/admin/ledger").text
    rotated = first.post(f"/admin/callers/{found.id}/rotation").text
    assert re.search(r"kyso_[0-9a-f]{12}_[0-9a-f]{48}", rotated)[0] != key
    revoked = first.follow(first.post(f"/admin/callers/{found.id}/revocation"))
    assert "are revoked" in revoked.text
    assert home.services.database.read(callers.find, key) is None
    assert ["caller-created", "caller-rotated", "caller-revoked"] == changes(home)[-3:]


def test_a_caller_that_may_sign_waits_for_another_administrator(home: House, first: Somebody, second: Somebody) -> None:
    """Its API key is shown once, with the word that it opens nothing yet; who approves sees what it may, and no secret."""
    answer = first.post("/admin/callers", caller_name=f"Hệ thống {HOSTILE}", role="client", keys="seal*")
    assert "opens nothing until another administrator has approved" in answer.text
    key = re.search(r"kyso_[0-9a-f]{12}_[0-9a-f]{48}", answer.text)[0]
    assert home.services.database.read(callers.find, key) is None
    (change,) = Changes(home.services).listed(state="proposed")[:1]
    shown = second.get(f"/admin/changes/{change.id}").text
    assert "caller that may sign" in shown
    assert "seal*" in shown
    assert key.split("_")[2] not in shown
    assert HOSTILE not in shown
    Changes(home.services).approve(_caller(home, second), change.id, sha256=change.sha256)
    assert ("client", ("seal*",)) == tuple(
        vars(home.services.database.read(callers.find, key))[n] for n in ("role", "keys")
    )


def _caller(home: House, who: Somebody) -> Caller:
    """Whoever is signed in."""
    found = next(one for name, one in home.secrets.items() if name.startswith("Hai"))
    caller = home.services.database.read(callers.find, found)
    assert caller is not None
    assert who.cookie
    return caller


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"caller_name": ""}, "caller_name"),
        ({"days": "viele"}, "days"),
        ({"organisation": "zz"}, "organisation"),
        ({"role": "x"}, "role"),
    ],
)
def test_a_caller_that_cannot_be_is_refused_beside_its_field(first: Somebody, form: dict[str, str], field: str) -> None:
    """Nothing is made."""
    answer = first.post("/admin/callers", **{"caller_name": "Máy", "role": "client"} | form)
    assert 400 <= answer.status_code < 500
    assert f'id="fault-{field}"' in answer.text


def test_a_session_is_ended(home: House, first: Somebody) -> None:
    """Whose it was has to sign in again."""
    other = administrator(home, "tạm")
    session = re.findall(r"/admin/sessions/([0-9a-f]+)/end", first.get("/admin/callers").text)[-1]
    first.follow(first.post(f"/admin/sessions/{session}/end"))
    assert 303 == other.get("/admin").status_code


def test_a_failed_job_is_tried_again(home: House, first: Somebody) -> None:
    """It is open, with all its tries, and the ledger says who did that; once more is refused."""
    values = {"kind": "complete", "payload_json": '{"signature":"sig_1"}', "state": "failed", "due": 0.0, "tries": 12}
    values |= {"id": "ab12", "max_tries": 12, "last_error": "no-timestamp-authority", "created_at": 0.0}
    home.services.database.write(lambda connection: connection.execute(job.insert().values(**values)))
    page = first.get("/admin/queue").text
    assert "given up: 1" in page
    assert "no-timestamp-authority" in page
    assert "Job ab12 is in the queue again" in first.follow(first.post("/admin/jobs/ab12/retry")).text
    row = home.services.database.read(lambda connection: connection.execute(job.select()).one())
    assert ("open", 0) == (row.state, row.tries)
    assert "job-retried" == changes(home)[-1]
    assert 404 == first.post("/admin/jobs/ab12/retry").status_code


# --- the pages themselves ---------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """What a screen reader needs: headers with a scope, fields with a label, one heading; no script, no inline style."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.fields: set[str] = set()
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "script" or any(name == "style" or name.startswith("on") for name in found):
            self.faults.append(f"{tag} runs or styles")
        if tag == "th" and found.get("scope") not in ("col", "row"):
            self.faults.append("th without scope")
        if tag == "label":
            self.labels.add(found.get("for") or "")
        if tag in ("input", "select", "textarea") and found.get("type") != "hidden":
            self.fields.add(found.get("id") or "?")
        self.headings += tag == "h1"
        if found.get("id"):
            self.ids.append(found["id"])


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_room_can_be_read_by_everybody(home: House, first: Somebody, second: Somebody, lang: str) -> None:
    """No script, no style in place, headers with scope, a label for each field, each id once, a policy without scripts."""
    change = proposed(first, f"doc-{lang}")
    acts = ("/keys?key=seal", "/rules?act=set_rule&name=x", "/rules?act=remove_rule&name=x", f"/changes/{change}")
    for room in (*ROOMS, *acts):
        answer = second.get(f"/admin{room}", lang=lang)
        assert 200 == answer.status_code
        assert f'<html lang="{lang}">' in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        reader = Reader()
        reader.feed(answer.text)
        assert [] == reader.faults, room
        assert set() == reader.fields - reader.labels, room
        assert 1 == reader.headings
        assert len(set(reader.ids)) == len(reader.ids), room
    second.post(f"/admin/changes/{change}/rejection")


def test_a_link_from_elsewhere_makes_the_page_say_nothing(first: Somebody) -> None:
    """What happened is said to the session in which it happened."""
    assert 'id="did"' not in first.get("/admin/callers?did=revoked&about=abc&seal=").text


def test_below_a_path_all_links_stay_below_it(tmp_path: Path) -> None:
    """Behind a proxy that serves the appliance at /kyso."""
    home = house(tmp_path / "home", server={"root_path": "/kyso", "trusted_proxies": ("127.0.0.1",)})
    page = signed_in(home, "administrator").get("/admin/trust").text
    ours = set(re.findall(r'(?:href|action)="(/[^"]*)"', page))
    assert ours
    assert all(one.startswith("/kyso/") for one in ours), ours


def test_both_languages_say_everything() -> None:
    """The same words in each, with the same placeholders."""

    def said(language: str) -> dict[str, list[str]]:
        table = tomllib.loads((files("api.locale") / f"{language}.admin.toml").read_text("utf-8"))

        def flat(words: dict[str, object], path: str) -> dict[str, list[str]]:
            found: dict[str, list[str]] = {}
            for name, value in words.items():
                found |= (
                    flat(value, f"{path}.{name}") if isinstance(value, dict) else {f"{path}.{name}": _slots(str(value))}
                )
            return found

        return flat(table, "")

    assert said("vi") == said("en")


def _slots(text: str) -> list[str]:
    return sorted(set(re.findall(r"(?<!\{)\{([a-z]+)\}", text)))
