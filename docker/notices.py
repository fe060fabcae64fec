"""THIRD-PARTY.md: what of others is in Kyso's image and bundle, and under which licence. A test keeps it true.

The packages are those of `requirements.lock` that this platform installs; versions and licences come from their own
metadata, the libraries that a wheel carries from its files. What no metadata tells is written here by hand.

    python docker/notices.py THIRD-PARTY.md
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]

_HEAD = """\
# Third-party notices

Kyso's image and bundle hold the work of others, listed here with the licences that their own metadata name. The texts of
the licences travel with each part: for Python packages in `site-packages/*.dist-info` (`licenses/`, `METADATA`), for Debian
packages in `/usr/share/doc/*/copyright`, for what browsers load in `api/web/dist/LICENSES.md`. The bill of materials (`/usr/share/kyso/sbom.cdx.json` in the image) lists every
package with its exact version, Debian's included.

Written by `make THIRD-PARTY.md` from `requirements.lock` and `api/web/package-lock.json`; a test compares them.

## Fonts

| Font | From | Licence | Where it goes |
|---|---|---|---|
| Liberation Serif 2 | Debian's `fonts-liberation2` | SIL Open Font License 1.1, Reserved Font Name Liberation | subsets in signed PDFs: stamps, filled fields, archives |
| Liberation Sans 2 | the same | the same | subsets in PDF reports |

Copyright 2010 Google Corporation (Arimo, Tinos, Cousine), 2012 Red Hat, Inc. (Liberation). The licence lets fonts be embedded
in documents, and says that documents made with them do not come under it. Kyso brings no font files of its own: the image
and the bundle hold Debian's package, unchanged, with its copyright file. The fonts inside the `typst` wheel and those that
PDFium carries for showing documents without fonts are embedded in nothing that Kyso writes; their licences are in those wheels.

## Programs that are used but not linked

Debian's packages in the image (Python, glibc, OpenSSL, libseccomp and what they need) are under the licences in their
copyright files. A vendor's PKCS#11 library is the operator's, and no part of Kyso. SoftHSM (BSD-2-Clause) is in the demo and
in the trial image only.

"""

_BY_HAND = {
    "pypdfium2": "PDFium (BSD-3-Clause AND Apache-2.0) with FreeType, HarfBuzz, ICU, libjpeg-turbo, libpng, libtiff, OpenJPEG, "
    "Little CMS, AGG, zlib and others: `licenses/BUILD_LICENSES` of its dist-info",
    "pdfjs-dist": "core-js (MIT), in the build for older browsers that is used here",
    "lxml": "libxml2 and libxslt (MIT), libiconv (LGPL-2.1-or-later), zlib",
    "cryptography": "OpenSSL (Apache-2.0)",
    "uvloop": "libuv (MIT)",
    "httptools": "llhttp (MIT)",
    "typst": "the Typst compiler (Apache-2.0)",
    "pikepdf": "qpdf (Apache-2.0), libjpeg-turbo (IJG AND BSD-3-Clause), OpenSSL (Apache-2.0), zlib",
    "psycopg-binary": "libpq (PostgreSQL), OpenSSL (Apache-2.0), MIT Kerberos (MIT), OpenLDAP (OLDAP-2.8), Cyrus SASL (BSD with attribution)",
}
"""Libraries inside wheels, of which metadata say nothing."""
_CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}

_SPELT = {"3-Clause BSD License": "BSD-3-Clause"}
"""Licences that a package names in words of its own → SPDX."""

MIT_BEGINS = "Permission is hereby granted, free of charge, to any person obtaining a copy"


@dataclass(frozen=True)
class Part:
    """One Python package."""

    name: str
    version: str
    licence: str
    carries: str


def parts(lock: Path = ROOT / "requirements.lock") -> list[Part]:
    """The packages of a lock file that this platform installs; raises LookupError for one without a licence."""
    found = []
    for line in lock.read_text().splitlines():
        if not re.match(r"[a-z0-9]", line):
            continue
        wanted = Requirement(line.rstrip("\\ "))
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        version = next(iter(wanted.specifier)).version
        found.append(Part(wanted.name, version, _licence(wanted.name), _carried(wanted.name)))
    return found


def browser_parts(lock: Path = ROOT / "api" / "web" / "package-lock.json") -> list[Part]:
    """The npm packages that the web components are made with, without the tools that only build them; raises
    LookupError for one without a licence."""
    found = []
    for path, told in json.loads(lock.read_text())["packages"].items():
        if not path or told.get("dev") or told.get("optional"):
            continue
        name = path.removeprefix("node_modules/")
        if "license" not in told:
            raise LookupError(f"{name} does not say under which licence it is")
        found.append(Part(name, told["version"], told["license"], _BY_HAND.get(name, "")))
    return found


def _text_of_licence(name: str) -> str:
    """The licence itself, of a package whose metadata only say where it stands."""
    files = [file for file in metadata.files(name) or () if file.match("*.dist-info/licenses/LICENSE*")]
    return " ".join(" ".join(file.read_text().split()) for file in files)


def _licence(name: str) -> str:
    told = metadata.metadata(name)
    if expression := told.get("License-Expression"):
        return expression
    named = [_CLASSIFIERS[value] for value in told.get_all("Classifier", []) if value in _CLASSIFIERS]
    if named:
        return " AND ".join(sorted(set(named)))
    short = told.get("License", "")
    if short and len(short) < 60 and "\n" not in short:
        return _SPELT.get(short, short)
    if MIT_BEGINS in _text_of_licence(name):
        return "MIT"
    raise LookupError(f"{name} does not say under which licence it is")


def _carried(name: str) -> str:
    if name in _BY_HAND:
        return _BY_HAND[name]
    files = metadata.files(name) or ()
    libraries = {Path(file).name for file in files if ".libs/" in str(file)}
    return ", ".join(sorted({re.sub(r"[-.].*", "", library) for library in libraries}))


def text() -> str:
    """The whole page."""
    tables = (("What browsers load", browser_parts()), ("Python packages", parts()))
    lines = [_HEAD.rstrip()]
    for title, found in tables:
        rows = [f"| {part.name} | {part.version} | {part.licence} | {part.carries} |" for part in found]
        lines += ["", f"## {title}", "", "| Package | Version | Licence | Carries |", "|---|---|---|---|", *rows]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), "utf-8")
