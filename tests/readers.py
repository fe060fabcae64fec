"""What independent readers say of a signed PDF: Poppler, MuPDF, qpdf, OpenSSL, pyHanko. None of them is ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from pyhanko.pdf_utils.reader import PdfFileReader

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


def poppler(path: Path) -> list[tuple[bool, bool]]:
    """For each signature of `pdfsig`: is its value valid, and is the whole document of its revision signed?"""
    said = _say("pdfsig", "-nocert", path)
    parts = said.split("Signature #")[1:]
    return [("Signature is Valid" in part, "Total document signed" in part) for part in parts]


def mupdf(path: Path) -> list[str]:
    """The lines of `mutool sign -v`, a few a signature; it names what it does not like."""
    return _say("mutool", "sign", "-v", path).splitlines()


def qpdf(path: Path) -> str:
    """`qpdf --check`: empty if there is nothing to say against the file."""
    done = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, errors="replace", check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def openssl(path: Path, *, ca: Path) -> str:
    """`openssl cms -verify -cades` over the byte range of the last signature; empty if it verifies."""
    data = path.read_bytes()
    first, first_size, second, second_size = map(int, _BYTE_RANGE.findall(data)[-1])
    contents = path.with_suffix(".p7s")
    padded = bytes.fromhex(data[first_size + 1 : second - 1].decode())
    contents.write_bytes(padded)
    content = path.with_suffix(".content")
    content.write_bytes(data[first : first + first_size] + data[second : second + second_size])
    command = ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", contents]
    command += ["-content", content, "-CAfile", ca, "-purpose", "any", "-out", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def pyhanko(path: Path) -> list[tuple[bool, bool]]:
    """For each signature: is it intact and valid, does it cover its whole revision? Without trust or differences."""
    with path.open("rb") as file:
        found = []
        for signature in PdfFileReader(file, strict=False).embedded_signatures:
            signature.compute_integrity_info(skip_diff=True)
            status = signature.summarise_integrity_info()
            found.append((value_holds(signature), status["coverage"].name.startswith("ENTIRE")))
        return found


def value_holds(signature) -> bool:
    """Whether pyHanko finds digest and value of one signature right."""
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    intact, valid = validate_sig_integrity(
        signature.signer_info,
        signature.signer_cert,
        expected_content_type="tst_info" if signature.sig_object.get("/SubFilter") == "/ETSI.RFC3161" else "data",
        actual_digest=signature.compute_digest(),
    )
    return intact and valid


def _say(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", check=False)
    return done.stdout + done.stderr
