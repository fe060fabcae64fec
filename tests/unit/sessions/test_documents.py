"""What the official sees of documents, and where a signature may be put: pages as they are shown, cropped and turned."""

from __future__ import annotations

import pikepdf
import pytest

from api.sessions import geometry
from tests.documents import changed, pdf
from tests.session_support import Desk, desk
from tests.unit.reports import samples

pytestmark = pytest.mark.web

XML = '<?xml version="1.0"?><BaoCao xmlns="urn:x" ky="11"><Tong>12 &lt;b&gt;</Tong><!-- chú thích --></BaoCao>'


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk(tmp_path_factory.mktemp("desk"))


def turned(one: Desk, *, turn: int, crop: tuple[int, int, int, int]) -> tuple[str, bytes]:
    """A page that is cropped and turned."""
    ((_, data),) = one.papers(1)
    path = one.folder / f"turned-{turn}.pdf"
    path.write_bytes(data)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        page = document.pages[0]
        page.Rotate, page.CropBox = turn, list(crop)
        document.save(path)
    return path.name, path.read_bytes()


def test_bytes_pages_and_pictures(one: Desk):
    """The stored bytes; the sizes; a page as a small WebP of the width that was asked for; no other page."""
    papers = one.papers(1)
    session = one.asked(papers)
    assert papers[0][1] == one.page("GET", session, "/documents/d1").content
    assert {"pages": [{"width": 595.0, "height": 842.0}]} == one.page("GET", session, "/documents/d1/pages").json()
    picture = one.page("GET", session, "/documents/d1/pages/1?width=800")
    assert ("image/webp", b"WEBPVP8L") == (picture.headers["content-type"], picture.content[8:16])
    assert 790 < 1 + int.from_bytes(picture.content[21:23], "little") % 0x4000 < 810
    assert len(picture.content) < 60_000
    for path in ("/documents/d1/pages/2", "/documents/d1/pages/0", "/documents/d2", "/documents/d1/text"):
        assert 404 == one.page("GET", session, path).status_code
    for path in ("/documents/d1/pages/x", "/documents/d1/pages/1?width=x"):
        assert 400 == one.page("GET", session, path).status_code
    assert "document-not-ready" == one.page("GET", session, "/documents/d1?signed=1").json()["code"]


def test_what_could_deceive_is_told(one: Desk):
    """Of each document for itself, by its code."""

    def script(document: pikepdf.Pdf) -> None:
        document.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")

    plain = pdf(one.folder / "plain.pdf")
    scripted = changed(one.folder / "scripted.pdf", plain, script)
    session = one.asked([(path.name, path.read_bytes()) for path in (plain, scripted)])
    told = one.page("GET", session, "").json()["documents"]
    assert [[], ["ACTIVE_CONTENT"]] == [each["warnings"] for each in told]


def test_pages_of_the_signed_document_are_pictures_too(one: Desk):
    """Before it is signed there are none; afterwards the signature is seen on them."""
    stamp = {"place": {"page": 1, "box": [100, 100, 300, 160]}}
    session = one.asked(each={"order": stamp})
    picture = "/documents/d1/pages/1?width=200"
    assert "document-not-ready" == one.page("GET", session, f"{picture}&signed=1").json()["code"]
    before = one.page("GET", session, picture).content
    one.consent(session)
    while one.work():
        pass
    assert before == one.page("GET", session, picture).content
    signed = one.page("GET", session, f"{picture}&signed=1")
    assert (200, True) == (signed.status_code, signed.content != before)


def test_many_documents_are_told_in_few_octets(one: Desk):
    """Compressed for whoever takes it; a session over one document is not worth it."""
    told = one.page("GET", one.asked(one.papers(40)), headers={"Accept-Encoding": "gzip"})
    assert ("gzip", 40) == (told.headers["content-encoding"], len(told.json()["documents"]))
    assert int(told.headers["content-length"]) < len(told.content) / 4
    assert "content-encoding" not in one.page("GET", one.asked(), headers={"Accept-Encoding": "gzip"}).headers


def test_an_xml_document_is_read_as_a_tree(one: Desk):
    """Elements with depth, attributes and text; what looks like markup in a text stays text."""
    session = one.asked([("báo cáo.xml", XML.encode())])
    shown = one.show(session)["documents"][0]
    assert ("XML", [], None) == (shown["format"], shown["pages"], shown["place"])
    told = one.page("GET", session, "/documents/d1/text").json()
    assert [(0, "BaoCao", ""), (1, "Tong", "12 <b>")] == [(e["depth"], e["name"], e["text"]) for e in told["leaves"]]
    place = {"page": 1, "box": [10, 10, 100, 50]}
    assert 400 == one.page("PUT", session, "/documents/d1/place", json=place).status_code
    assert "document-doctype-refused" == one.post([("x.xml", b"<!DOCTYPE a []><a/>")]).json()["code"]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_place_is_where_it_is_seen(one: Desk, turn: int):
    """On a page that is cropped and turned a place is told as people see it, and the signature's field lies there."""
    crop = (50, 100, 450, 700)
    session = one.asked([turned(one, turn=turn, crop=crop)])
    size = one.show(session)["documents"][0]["pages"][0]
    assert ((600, 400) if turn in (90, 270) else (400, 600)) == (size["width"], size["height"])
    box = [20, 30, 180, 90]
    put = one.page("PUT", session, "/documents/d1/place", json={"page": 1, "box": box})
    assert (200, {"page": 1, "box": box, "fixed": False}) == (put.status_code, put.json()["place"])
    one.consent(session)
    one.work()
    signed = one.page("GET", session, "/documents/d1?signed=1").content
    path = one.folder / f"signed-{turn}.pdf"
    path.write_bytes(signed)
    with pikepdf.open(path) as document:
        rectangle = tuple(float(side) for side in document.pages[0].Annots[0].Rect)
    assert tuple(box) == pytest.approx(geometry.shown(rectangle, corner=crop, turn=turn))
    shown = one.show(one.asked([(path.name, signed)]))["documents"][0]
    assert box == pytest.approx(shown["fields_taken"][0]["box"], abs=0.1)


def test_what_the_signatures_are_worth_that_it_has(one: Desk, monkeypatch: pytest.MonkeyPatch):
    """The sentence of the report in each language, and who signed when; of one that is not valid, why. The signed document
    only once there is one; nobody else's."""
    session = one.asked()
    path = "/documents/d1/signatures"
    unsigned = one.page("GET", session, path).json()
    assert ("NO_SIGNATURE", []) == (unsigned["verdict"], unsigned["signatures"])
    assert "document-not-ready" == one.page("GET", session, f"{path}?signed=1").json()["code"]
    one.consent(session)
    one.work()
    assert 200 == one.page("GET", session, f"{path}?signed=1").status_code
    assert 401 == one.page("GET", session, path, token="kst_" + "A" * 43).status_code

    bad = samples.changed(id="ChuKy2", best_signature_time=None, signer=None)
    given = samples.report(samples.signature(), bad)
    monkeypatch.setattr(type(one.house.documents), "verify", lambda *_, **__: given)
    told = one.page("GET", session, path).json()
    assert {"vi", "en"} == set(told["summary"])
    assert "TOTAL_FAILED" == told["verdict"]
    first, second = told["signatures"]
    assert ("Nguyễn Văn An", "2026-11-22T08:00:00+07:00", None) == (first["name"], first["time"], first["reason"])
    assert (None, None, "TOTAL_FAILED") == (second["name"], second["time"], second["indication"])
    assert second["reason"]["vi"] != second["reason"]["en"]


def test_places_that_cannot_be(one: Desk):
    """Off the page, upside down, too small, over a field that is there, on no page, not finite: refused, with codes."""
    session = one.asked(each={"order": {"place": {"page": 1, "box": [100, 100, 300, 160]}, "field": "ChuKy1"}})
    place = one.show(session)["documents"][0]["place"]
    assert {"page": 1, "box": [100, 100, 300, 160], "fixed": True} == place
    free = {"page": 1, "box": [10, 10, 100, 50]}
    assert "place-fixed" == one.page("PUT", session, "/documents/d1/place", json=free).json()["code"]
    one.consent(session)
    one.work()
    signed = one.page("GET", session, "/documents/d1?signed=1").content
    second = one.asked([("lần hai.pdf", signed)])
    for box, code in (
        ([-20, 10, 100, 50], "place-outside-page"),
        ([500, 10, 700, 50], "place-outside-page"),
        ([100, 50, 10, 10], "place-outside-page"),
        ([10, 10, 20, 20], "place-too-small"),
        ([250, 150, 400, 200], "place-over-field"),
        ([1e300, 10, 1e301, 50], "place-outside-page"),
    ):
        answer = one.page("PUT", second, "/documents/d1/place", json={"page": 1, "box": box})
        assert code == answer.json()["code"], box
    answer = one.page("PUT", second, "/documents/d1/place", json={"page": 2, "box": [10, 10, 100, 50]})
    assert "place-outside-page" == answer.json()["code"]
    assert 400 == one.page("PUT", second, "/documents/d1/place", content=b'{"page":1,"box":[NaN,1,2,3]}').status_code
    assert 200 == one.page("PUT", second, "/documents/d1/place", json=free).status_code


def test_a_document_that_moved_on_is_not_signed(one: Desk):
    """Built on a signature of ours; another signature came first: refused as stale before anybody agrees, or, where both
    had agreed, when it would be made; nothing is half done. Nobody is asked for the older one any more."""
    session = one.asked()
    one.consent(session)
    one.work()
    signature = one.show(session)["documents"][0]["outcome"]["signature"]
    asked = {"person": "Nguyễn Văn Mẫu", "documents": [{"document": f"signature:{signature}"}]}
    made = [one.house.ask("POST", "/v1/sessions", json=asked).json() for _ in range(3)]
    one.made |= {told["id"]: told for told in made}
    *both, late = made
    for told in both:
        assert 202 == one.consent(told["id"]).status_code
    while one.work():
        pass
    answer = one.consent(late["id"])
    assert (409, "stale-document") == (answer.status_code, answer.json()["code"])
    assert ("opened", "waiting") == (one.show(late["id"])["state"], one.show(late["id"])["documents"][0]["state"])
    assert "stale-document" == one.house.ask("POST", "/v1/sessions", json=asked).json()["code"]
    outcomes = [one.show(told["id"])["documents"][0]["outcome"] for told in both]
    assert [("signed", None), ("failed", "stale-document")] == [(each["state"], each.get("code")) for each in outcomes]
    assert (
        400
        == one.house.ask("POST", "/v1/sessions", json=asked | {"documents": [{"document": "signature:no"}]}).status_code
    )
