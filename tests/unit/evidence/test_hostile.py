"""ZIPs that somebody made to do harm, or by mistake: each ends in one refusal with a code, and in little time and memory."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.evidence.manifest import sums
from api.evidence.reading import is_evidence
from api.locale import LANGUAGES, problem
from api.refusals import EvidenceUnusable
from tests.evidence_support import Carried, judged
from verify import zips

pytestmark = pytest.mark.judging


def packed(files: Mapping[str, bytes]) -> bytes:
    """A ZIP as Kyso writes it, of whatever files."""
    out = io.BytesIO()
    zips.write(out, files.items())
    return out.getvalue()


def foreign(*entries: tuple[zipfile.ZipInfo | str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP as another program writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as opened:
        for name, data in entries:
            opened.writestr(name, data)
    return out.getvalue()


def consistent(carried: Carried, change: Callable[[dict], None], **replaced: bytes) -> bytes:
    """The ZIP with its manifest changed and all digests made to fit: what somebody would send who knows the form."""
    from hashlib import sha256

    files = carried.files | {name.replace("__", "."): data for name, data in replaced.items()}
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {name: sha256(files[name]).hexdigest() for name in manifest["files"] if name in files}
    change(manifest)
    files["manifest.json"] = json.dumps(manifest).encode()
    digests = {"manifest.json": sha256(files["manifest.json"]).hexdigest(), **manifest["files"]}
    files["SHA256SUMS"] = sums(digests)
    return packed(files)


def refusal(data: bytes) -> str:
    """The reason why it is refused, with a sentence in each language."""
    with pytest.raises(EvidenceUnusable) as refused:
        judged(data)
    for language in LANGUAGES:
        assert problem("evidence-unusable", language=language, facts=refused.value.facts).title
    return str(refused.value.facts["reason"])


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("manifest.json")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (foreign(("manifest.json", b"0" * (64 << 20)), kind=zipfile.ZIP_DEFLATED), "packed"),
        (foreign(("../../etc/cron.d/x", b"")), "file-name"),
        (foreign(("/etc/passwd", b"")), "file-name"),
        (foreign(("trust\\1.pem", b"")), "file-name"),
        (foreign(("a/b/c/d/e/f", b"")), "file-name"),
        (foreign(("thư.pem", b"")), "file-name"),
        (foreign(("trust/", b"")), "file-name"),
        (foreign((link(), b"/etc/passwd")), "link"),
        (packed({"document.pdf": b"%PDF-1.7"}), "no-manifest"),
        (packed({"manifest.json": b"[" * 100_000}), "manifest"),
        (packed({"manifest.json": b"{}"}), "manifest"),
        (packed({"manifest.json": b"{}"}) + b"\0", "zip"),
        (b"\0" + packed({"manifest.json": b"{}"}), "zip"),
        (foreign(("manifest.json", b"{}")), "zip"),
        (foreign(), "no-manifest"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06" + bytes(18), "no-manifest"),
        (b"PK\x03\x04" + bytes(100_000), "zip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_evidence_looks_like_is_refused(data: bytes, reason: str):
    """Bombs, paths that lead out, links, names of other alphabets, and ZIPs of something else."""
    assert reason == refusal(data)


def test_two_files_of_one_name_are_refused():
    """Two readers would take either."""
    out = io.BytesIO()
    zips.write(out, [("manifest.json", b"{}"), ("manifest.json", b"[]")])
    assert "twice" == refusal(out.getvalue())


def test_entries_that_share_octets_are_refused():
    """The bomb that needs no deep nesting: many directory entries for the same bytes."""
    one = packed({"manifest.json": b"x" * 1000})
    start, count = one.index(b"PK\x01\x02"), 500
    entry, directory = one[start:-22], b""
    for number in range(count):
        directory += entry[:46] + f"a{number:012}".encode()
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    assert "zip" == refusal(one[:start] + directory + end)


def test_counts_beyond_measure_cost_nothing():
    """A directory that claims, or has, more entries than evidence may have is not walked."""
    claimed = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0)
    assert "too-many" == refusal(claimed)
    real = foreign(*((f"f{number}", b"") for number in range(20_000)))
    tracemalloc.start()
    assert "too-many" == refusal(real)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "part", ["document.pdf", "policy.toml", "report.json", "HUONG-DAN.md", "certificates/1.pem", "SHA256SUMS"]
)
def test_a_part_that_is_missing_is_named(fetched: Carried, part: str):
    """Left out of the ZIP alone, or of the manifest as well."""
    files = fetched.files
    del files[part]
    assert refusal(packed(files)) in {"files", "missing"}
    if part != "SHA256SUMS":
        assert refusal(consistent(fetched, lambda manifest: manifest["files"].pop(part))) in {"files", "missing"}


def test_a_part_that_is_not_the_manifests_is_named(fetched: Carried):
    """Changed, added, or with a list of digests that says something else."""
    for part in ("document.pdf", "trust/1.pem", "ocsps/1.ocsp", "report.xml"):
        files = fetched.files
        files[part] = files[part][:-2] + b"\n\n"
        assert "digest" == refusal(packed(files)), part
    assert "files" == refusal(packed(fetched.files | {"more.txt": b""}))
    assert "digest" == refusal(packed(fetched.files | {"SHA256SUMS": b""}))


def test_a_manifest_that_contradicts_itself_is_refused(fetched: Carried):
    """Digests fit, and still: objects under another id, a policy that is none, certificates in another form, a document
    under another name, unknown members, times without an offset."""

    def other_id(manifest: dict) -> None:
        manifest["objects"][0]["id"] = "0" * 64

    def another_document(manifest: dict) -> None:
        manifest["document"]["file"] = "report.json"

    def object_is_document(manifest: dict) -> None:
        manifest["objects"][0]["file"] = "document.pdf"

    def more(manifest: dict) -> None:
        manifest["more"] = 1

    def no_offset(manifest: dict) -> None:
        manifest["validated_at"] = "2026-11-22T09:00:00"

    def nothing(_: dict) -> None:
        pass

    assert "digest" == refusal(consistent(fetched, other_id))
    assert refusal(consistent(fetched, another_document)) in {"files", "digest"}
    assert "files" == refusal(consistent(fetched, object_is_document))
    assert "manifest" == refusal(consistent(fetched, more))
    assert "manifest" == refusal(consistent(fetched, no_offset))
    assert "policy" == refusal(consistent(fetched, nothing, policy__toml=b"a = 1"))
    assert "policy" == refusal(consistent(fetched, nothing, policy__toml=b"\xff"))
    assert "certificate" == refusal(consistent(fetched, nothing, **{"trust/1__pem": b"no certificate"}))
    assert "digest" == refusal(consistent(fetched, nothing, document__pdf=b"%PDF-1.7"))


def test_a_ledger_line_that_leads_elsewhere_is_refused(fetched: Carried):
    """A line without a proof to the root that stands beside it is no line of that ledger."""
    line = '{"at":"2026-11-22T09:00:00.000000Z","facts":{},"kind":"DONE","number":1}'
    for told in (
        {"size": 1, "root": "00" * 32, "lines": [{"line": line, "proof": []}]},
        {"size": 2, "root": "00" * 32, "lines": [{"line": line, "proof": []}]},
        {"size": 1, "root": "00" * 32, "lines": [{"line": "{}", "proof": []}]},
        {"size": 1},
    ):
        data = json.dumps(told).encode()
        from hashlib import sha256

        def add(manifest: dict, data: bytes = data) -> None:
            manifest["files"]["ledger.json"] = sha256(data).hexdigest()

        assert "ledger" == refusal(consistent(fetched, add, ledger__json=data))


def test_an_anchor_of_rubbish_is_a_report_or_a_refusal(fetched: Carried):
    """A certificate that is none, in the right armour: whoever parses it does so in a worker, and nobody trusts it."""
    from api.evidence.manifest import pem

    data = consistent(fetched, lambda _: None, **{"trust/1__pem": pem(b"\x30\x03\x02\x01\x01")})
    assert "INDETERMINATE" == judged(data).verdict


def test_a_document_that_is_a_zip_as_well_stays_a_document():
    """A PDF may have a ZIP's header before its own; only one that begins with a manifest is read as evidence."""
    assert not is_evidence(io.BytesIO(foreign(("a.pdf", b"%PDF-1.7 ".ljust(2000)))))
    assert not is_evidence(io.BytesIO(b"%PDF-1.7"))
    assert not is_evidence(io.BytesIO(b""))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_octet_anywhere_is_noticed(complete: Carried, places: list[tuple[float, int]]):
    """Every octet belongs to a header that must be as we write it, or to a file with a digest."""
    data = bytearray(complete.zip)
    for place, value in places:
        data[int(place * len(data))] = value
    if bytes(data) == complete.zip:
        return
    with pytest.raises(EvidenceUnusable):
        judged(bytes(data))
