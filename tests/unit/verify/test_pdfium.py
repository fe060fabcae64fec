"""PDFium bears one thread at a time; the one door to it sees to that."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.appliance import ROOT
from tests.documents import pdf
from verify import pdfium
from verify.errors import DocumentBroken
from verify.pictures import Pictures

pytestmark = pytest.mark.judging

THREADS = """
import io, sys, threading
from pathlib import Path
from verify import pdfium
from verify.pictures import Pictures

document = Path(sys.argv[1]).read_bytes()
read = []

def texts():
    for _ in range(150):
        with pdfium.opened(io.BytesIO(document)) as one:
            read.append(one[0].get_textpage().count_chars())

def pictures():
    for _ in range(50):
        with Pictures(io.BytesIO(document), password=None, seconds=60.0) as made:
            read.append(len(made.draw(end=len(document), page=0).pixels) > 0)

threads = [threading.Thread(target=work) for work in (texts, texts, pictures, pictures)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(read))
"""
"""Without the lock PDFium ends the process, or refuses every document after a while: hence a process of its own."""


def test_threads_take_turns(tmp_path: Path):
    """Each of four threads reads its document each time."""
    document = pdf(tmp_path / "a.pdf", pages=300)
    run = subprocess.run(
        [sys.executable, "-c", THREADS, document], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (0, "400") == (run.returncode, run.stdout.strip()), run.stderr


def test_a_thread_may_have_two_documents_open(tmp_path: Path):
    """The signed one beside the current one; closing one does not close the other."""
    document = pdf(tmp_path / "a.pdf", pages=2).read_bytes()
    with pdfium.opened(io.BytesIO(document)) as now:
        with pdfium.opened(pdfium.Prefix(io.BytesIO(document + b"%%" * 500), len(document))) as then:
            assert len(then) == len(now) == 2
        assert now[1].get_size()


def test_what_cannot_be_read_is_told_and_lets_go(tmp_path: Path):
    """As our own error, when it is opened and later; the next document is none the worse."""
    with pytest.raises(DocumentBroken), pdfium.opened(io.BytesIO(b"%PDF-1.7 and nothing else")):
        pass
    document = pdf(tmp_path / "a.pdf").read_bytes()
    with pytest.raises(DocumentBroken), pdfium.opened(io.BytesIO(document)) as opened:
        opened.get_page_size(10_000)
    with Pictures(io.BytesIO(document), password=None, seconds=10.0) as pictures:
        assert 1 == pictures.pages(end=len(document))
