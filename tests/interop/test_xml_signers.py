"""XML signatures made by others are read as what they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop import npm, xml_matrix, xml_signers
from tests.interop.xml_signers import Foreign
from tests.pki import NOW
from tests.unit.verify.world import DEFAULT
from verify import engine
from verify.fetcher import Offline
from verify.report import Report, SignatureReport
from verify.trust import Trust

pytestmark = pytest.mark.xades


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return xml_matrix.write(tmp_path)


def judged(foreign: Foreign) -> Report:
    """By Kyso, without trust: whether it is intact does not depend on that."""
    with ExitStack() as held:
        beside = {name: held.enter_context(path.open("rb")) for name, path in foreign.signed.detached.items()}
        file = held.enter_context(foreign.signed.document.open("rb"))
        return engine.judge(
            file, name=foreign.name, trust=Trust(), policy=DEFAULT, at=NOW, fetcher=Offline(), detached=beside
        )


def told(foreign: Foreign) -> tuple[bool, str, str, str | None]:
    (one,) = judged(foreign).signatures
    return one.intact, one.scope, one.format, one.level


def expected(foreign: Foreign) -> tuple[bool, str, str, str | None]:
    return True, "FULL", foreign.format, foreign.level


def changed(foreign: Foreign, folder: Path) -> Iterator[SignatureReport]:
    """The same with another amount in the document, or in what stands beside it."""
    beside = {}
    for name, path in foreign.signed.detached.items():
        beside[name] = folder / f"changed-{name}"
        beside[name].write_bytes(path.read_bytes().replace(b"1000000", b"9000000"))
    out = folder / "changed.xml"
    out.write_bytes(foreign.signed.document.read_bytes().replace(b"1000000", b"9000000"))
    yield from judged(Foreign(foreign.name, type(foreign.signed)(out, beside), foreign.level)).signatures


def check(foreign: Foreign, folder: Path) -> None:
    assert expected(foreign) == told(foreign), foreign.name
    assert [one.sub_indication for one in changed(foreign, folder)] == ["HASH_FAILURE"], foreign.name


def test_what_xmlsec1_signs(tmp_path: Path, document: Path) -> None:
    """RSA and ECDSA, filters, each canonical form, detached: intact, and broken once the content is changed."""
    for foreign in xml_signers.by_xmlsec1(tmp_path, document):
        check(foreign, tmp_path)


def test_what_signxml_signs(tmp_path: Path, document: Path) -> None:
    """Plain in each packaging, and XAdES."""
    for foreign in xml_signers.by_signxml(tmp_path, document):
        check(foreign, tmp_path)


def test_what_xml_crypto_and_xadesjs_sign(tmp_path: Path, document: Path) -> None:
    """The two of JavaScript."""
    try:
        tools = npm.build()
    except npm.NodeMissing as missing:
        pytest.skip(str(missing))
    for foreign in xml_signers.by_scripts(tmp_path, document, tools):
        check(foreign, tmp_path)
