"""The schemas of ETSI's reports, if they are at hand beside the project; nothing is fetched."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

SCHEMAS = Path(__file__).parents[2] / "shared" / "spec" / "xsd"
HERE = {
    "XAdES.xsd": "XAdES01903v132-202407.xsd",
    "XAdES01903v132.xsd": "XAdES01903v132-202407.xsd",
    "ts_119612v020201_201601xsd.xsd": "ts_119612v020401_xsd.xsd",
}
"""Schemas that are imported under other names than those of the files at hand."""


class _AtHand(etree.Resolver):
    """No schema is fetched from the network."""

    def resolve(self, url: str | None, _public_id: str | None, context: object) -> object:
        name = (url or "").rsplit("/", 1)[-1]
        return self.resolve_filename(str(SCHEMAS / HERE.get(name, name)), context)


@cache
def report_schema() -> etree.XMLSchema:
    """That of ETSI TS 119 102-2; skips the test that asks where it is not here."""
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas of ETSI are not in ../shared/spec/xsd")
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_AtHand())
    return etree.XMLSchema(etree.parse(SCHEMAS / "TS119102-2-v141.xsd", parser))
