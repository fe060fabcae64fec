"""The bill of materials of the image: CycloneDX 1.6 in JSON, Python and Debian packages in one file.

`cyclonedx-py` (cyclonedx-bom) lists the Python packages of an environment; the Debian ones are added here, and the whole
is checked against CycloneDX's schema before it is written. It runs in the image's build stage and, for the bundle, on the
machine that makes it; with SOURCE_DATE_EPOCH in the environment the same input gives the same file.

    python docker/image/sbom.py --python .venv/bin/python --dpkg-status /var/lib/dpkg/status --output sbom.cdx.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import debian
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

_VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def python_part(interpreter: Path, *, project: Path) -> dict[str, Any]:
    """The bill of a Python environment, its main component described by `pyproject.toml`."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = [tool, "environment", "--spec-version", "1.6", "--output-reproducible", "--pyproject", project]
    made = subprocess.run([*command, "-o", "-", interpreter], stdout=subprocess.PIPE, check=True)
    return json.loads(made.stdout)


def debian_part(packages: list[debian.Package]) -> list[dict[str, Any]]:
    """A component for each Debian package."""
    return [
        {
            "type": "library",
            "bom-ref": f"deb-{package.name}",
            "name": package.name,
            "version": package.version,
            "purl": f"pkg:deb/debian/{quote(package.name)}@{quote(package.version)}?arch={package.architecture}",
            "properties": [{"name": "debian:source", "value": package.source}],
            **({"licenses": [{"license": {"name": name}} for name in package.licences]} if package.licences else {}),
        }
        for package in packages
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", type=Path, required=True, help="the environment's interpreter")
    parser.add_argument("--dpkg-status", type=Path, help="a dpkg database; or --debs")
    parser.add_argument("--debs", type=Path, help="a folder of .deb files")
    parser.add_argument("--copyright", type=Path, default=Path("/usr/share/doc"))
    parser.add_argument("--pyproject", type=Path, default=Path("pyproject.toml"))
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    packages = debian.packages(chosen.dpkg_status, chosen.copyright) if chosen.dpkg_status else []
    packages += debian.archives(chosen.debs) if chosen.debs else []
    bill = python_part(chosen.python, project=chosen.pyproject)
    bill["components"] = [*bill.get("components", []), *debian_part(packages)]
    text = json.dumps(bill, indent=1, ensure_ascii=False)
    if (fault := _VALIDATOR.validate_str(text)) is not None:
        print(f"kyso: the bill of materials is not valid CycloneDX: {fault}", file=sys.stderr)
        return 1
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
