"""Reports over HTTP: JSON, page, PDF or text by `Accept`; pages have a policy, also those that tell of a problem."""

from __future__ import annotations

import re

import pytest

from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.judging

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> House:
    return house(tmp_path_factory.mktemp("reports") / "home")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pdf(tmp_path_factory.mktemp("pdf") / "plain.pdf").read_bytes()


def verify(home: House, document: bytes, *, accept: str, query: str = "", name: str | None = "client"):
    files = {"document": ("giấy.pdf", document, "application/pdf")}
    return home.ask("POST", f"/v1/verifications{query}", name=name, files=files, headers={"Accept": accept})


@pytest.mark.parametrize(
    ("accept", "kind", "start"),
    [
        ("*/*", "application/json", b"{"),
        ("text/html", "text/html; charset=utf-8", b"<!doctype html>"),
        (BROWSER, "text/html; charset=utf-8", b"<!doctype html>"),
        ("application/pdf", "application/pdf", b"%PDF-"),
        ("text/plain", "text/plain; charset=utf-8", b"The document has no signature."),
    ],
)
def test_the_form_is_chosen_by_accept(home: House, document: bytes, accept: str, kind: str, start: bytes):
    """Programs get JSON unless they ask for something else; a browser gets a page. No cache keeps any of it."""
    answer = verify(home, document, accept=accept)
    assert (200, kind, "no-store") == (
        answer.status_code,
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )
    assert answer.content.lstrip().startswith(start)


def test_what_is_not_offered_is_refused(home: House, document: bytes):
    """With the list of what is."""
    answer = verify(home, document, accept="image/png")
    assert (406, "text/html" in answer.json()["facts"]["offered"]) == (answer.status_code, True)


def test_the_address_can_choose_the_language(home: House, document: bytes):
    """A form cannot set headers: `?lang=` comes before Accept-Language."""
    for language, words in (("vi", "Tài liệu không có chữ ký số."), ("en", "The document has no signature.")):
        answer = verify(home, document, accept="text/html", query=f"?lang={language}")
        assert language == answer.headers["content-language"]
        assert words in answer.text
        assert f'<html lang="{language}">' in answer.text


def test_a_report_may_do_nothing(home: House, document: bytes):
    """One policy, the report's own: no script, no address, no frame around it."""
    answer = verify(home, document, accept="text/html")
    (policy,) = answer.headers.get_list("content-security-policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy


def test_a_signature_has_its_report_in_every_form(home: House, document: bytes):
    """`…/report` answers JSON, ETSI's XML, a page or PDF, too."""
    signed = home.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.pdf", document, "application/pdf")},
        data={"order": '{"key": "seal"}'},
    ).json()
    starts = {
        "application/json": b"{",
        "application/xml": b"<?xml",
        "text/html": b"<!doctype",
        "application/pdf": b"%PDF-",
    }
    for accept, start in starts.items():
        answer = home.ask("GET", f"/v1/signatures/{signed['id']}/report", headers={"Accept": accept})
        assert (200, True) == (answer.status_code, answer.content.lstrip().startswith(start))


def test_whoever_asks_for_a_page_gets_problems_as_a_page(home: House):
    """A form without a file answers a page that says what to do; a program still gets a problem document."""
    page = home.ask("POST", "/v1/verifications?lang=vi", files={"other": b"x"}, headers={"Accept": BROWSER})
    assert (400, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert "Yêu cầu không hợp lệ" in page.text
    assert 'href="/?lang=vi"' in page.text
    answer = home.ask("POST", "/v1/verifications", files={"other": b"x"})
    assert "application/problem+json" == answer.headers["content-type"]


def test_the_page_runs_one_script_and_loads_nothing_from_elsewhere(home: House):
    """Its policy allows files of this service alone; every file that it names is there."""
    page = home.ask("GET", "/", name=None, headers={"Accept-Language": "vi"})
    (policy,) = page.headers.get_list("content-security-policy")
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for name in re.findall(r'(?:src|href)="(/[a-z]*/?[\w.-]+\.[a-z]+)"', page.text):
        assert 200 == home.ask("GET", name, name=None).status_code
    assert page.text.count("<script") <= 1
    assert "<script>" not in page.text
    assert "http" not in page.text
