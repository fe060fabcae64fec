"""The page at `/` with XML: a signature goes along with the files that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.appliance import Appliance
from tests.browser import browser
from tests.xml_support import FEES

pytestmark = pytest.mark.xades


@pytest.fixture(scope="module")
def signed(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A report that is signed together with a file, and the file."""
    folder = tmp_path_factory.mktemp("documents")
    further, document = folder / "phụ lục 1.bin", folder / "bao-cao.xml"
    further.write_bytes(bytes(range(256)))
    answer = appliance.client.post(
        "/v1/signatures",
        files=[("document", ("a.xml", FEES)), ("detached", ("tệp/phụ lục 1.bin", further.read_bytes()))],
        data={"order": json.dumps({"key": "demo-official", "level": "B-T"})},
        headers={"Accept": "application/xml"},
    )
    assert 201 == answer.status_code, answer.text
    document.write_bytes(answer.content)
    return document, further


def test_an_xml_is_verified_with_the_files_that_are_dropped_with_it(appliance: Appliance, signed: tuple[Path, Path]):
    """One line for both, valid, with the file named; alone, the page says what is missing."""
    document, further = signed
    with browser() as tab:
        tab.open(f"{appliance.url}/?lang=vi")
        tab.drop("#drop", [further, document])
        tab.wait("deep('#list .good .actions')")
        assert 1 == tab.run("deepAll('#list li').length")
        assert "cùng với phụ lục 1.bin" in tab.run("deep('#list').innerText")
        text = tab.run("deep('#shown').innerText")
        assert "toàn bộ tài liệu; tệp tệp/phụ lục 1.bin" in text
        tab.open(f"{appliance.url}/?lang=vi")
        tab.drop("#drop", [document])
        tab.wait("deep('#list .unsure .actions')")
        assert "hãy kiểm tra lại cùng với tệp này" in tab.run("deep('#shown').innerText")
        assert [] == tab.complaints()


def test_without_the_script_the_form_takes_the_files_too(appliance: Appliance):
    """A second input, and an empty one is no content."""
    page = appliance.client.get("/", headers={"Accept": "text/html"}).text
    assert 'name="detached" multiple' in page
    answer = appliance.client.post(
        "/v1/verifications",
        files=[("document", ("a.xml", FEES)), ("detached", ("", b""))],
        headers={"Accept": "text/html"},
    )
    assert 200 == answer.status_code
    assert "NO_SIGNATURE" not in answer.text
