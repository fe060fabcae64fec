"""Other signers beside Kyso, with a key and certificate of the same house: on which files do they succeed?

pyHanko runs in a child with limits of memory and time, since hostile files may have it compute for ever; DSS is asked
by `java`.
"""

from __future__ import annotations

import multiprocessing
import resource
from multiprocessing.connection import Connection
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.fields import SigSeedSubFilter

from tests.interop import newest
from tests.interop.cases import ALGORITHMS
from tests.interop.controls import signer_of
from tests.interop.house import House

PATIENCE = 30.0
MEMORY = 3 * 1024**3


def sign_by_pyhanko(house: House, source: Path, out: Path) -> str:
    """As `judged`, or why pyHanko did not sign."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_sign, args=(theirs, house, source, out), daemon=True)
    child.start()
    theirs.close()
    try:
        error = ours.recv() if ours.poll(PATIENCE) else "too slow"
    except EOFError:
        error = "killed"
    finally:
        child.kill()
        child.join()
    if error:
        out.unlink(missing_ok=True)
        return error
    return judged(source, out)


def judged(source: Path, out: Path) -> str:
    """ "right" if a new signature stands up and the former ones are kept; else what is not so."""
    faults = [] if newest.by_poppler(out) else ["Poppler"]
    faults += [] if newest.by_pyhanko(out) else ["pyHanko"]
    faults += [] if newest.is_kept(source, out) else ["former signatures"]
    return f"wrong: {', '.join(faults)}" if faults else "right"


def write_keys(house: House, path: Path) -> Path:
    """Key and certificate of the desk as PKCS #12, for a signer in Java."""
    hand, made = house.desk[ALGORITHMS[0].kind]
    password = BestAvailableEncryption(b"kyso")
    above = [house.pki.issuing.certificate]
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"rival", hand.key, made.certificate, above, password))
    return path


def _sign(answer: Connection, house: House, source: Path, out: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    meta = PdfSignatureMetadata(field_name="Rival", subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256")
    try:
        with source.open("rb") as file, out.open("w+b") as target:
            writer = IncrementalPdfFileWriter(file, strict=False)
            PdfSigner(meta, signer=signer_of(house, ALGORITHMS[0])).sign_pdf(writer, output=target)
    except BaseException as error:  # noqa: BLE001 - whatever a hostile file makes of it is the answer
        answer.send(f"{type(error).__name__}: {str(error)[:60]}")
    else:
        answer.send("")
