"""What the commands of this folder share: an open house, a desk for the readers, and the Java tools if asked for.

>>> sys.exit(main(table, __doc__))                                                # doctest: +SKIP
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.interop import java
from tests.interop.house import House, open_house
from tests.interop.java import Tools
from tests.interop.peers import Desk
from tests.interop.pki import pem


@dataclass(frozen=True)
class Setting:
    """`folder` is where signed files go; `desk` is what readers are given; `java` is None where nobody asked for it."""

    house: House
    folder: Path
    desk: Desk
    java: Tools | None


def main(table: Callable[[Setting], tuple[str, bool]], about: str | None) -> int:
    """Run a command that makes one table; the status is 0 if all is well, or if Java is asked for and is not here."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--java", action="store_true", help="ask EU DSS and PDFBox as well (Java 17, Maven)")
    parser.add_argument("--keep", type=Path, help="folder in which to leave the signed files")
    chosen = parser.parse_args()
    tools = None
    if chosen.java:
        try:
            tools = java.build()
        except java.JavaMissing as missing:
            print(f"kyso: interop: not run: {missing}")
            return 0
    with tempfile.TemporaryDirectory(prefix="kyso-") as scratch, open_house(Path(scratch)) as house:
        folder = chosen.keep or Path(scratch) / "signed"
        folder.mkdir(parents=True, exist_ok=True)
        told, is_well = table(Setting(house, folder, lay_desk(house, Path(scratch) / "desk"), tools))
    print(told)
    return 0 if is_well else 1


def lay_desk(house: House, folder: Path) -> Desk:
    """What the readers are given: anchor, issuers, evidence as of now."""
    desk = Desk(folder)
    desk.evidence.mkdir(parents=True)
    desk.root.write_text(pem(house.pki.root))
    desk.issuers.write_text(pem(house.pki.issuing) + pem(house.pki.tsa_issuing))
    for name, content in house.pki.evidence().items():
        (desk.evidence / name).write_bytes(content)
    return desk
