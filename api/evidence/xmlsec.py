"""Commands by which xmlsec1 and openssl check a signature in XML: part of the page in a ZIP of evidence.

Ids, names of elements and URIs stand in the document, and so may be anybody's: each becomes one quoted word of the shell,
and a signature with one that is not plain text gets no command.

    verify(node, files={"a.pdf": "detached/1"}, key=("--pubkey-cert-pem", "certificates/1.pem"))
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from verify.dissected import IdAttribute, Node
from verify.report import SignatureReport

NOT_KNOWN = frozenset({"rsassa_pss", "ed25519", "ed448"})
"""Schemes of signature values that xmlsec1 1.2 does not know."""
_PLAIN = re.compile(r"[^\W_][\w.\-]*|_[\w.\-]*")
_ADDRESS = re.compile(r"[\x21-\x7e]*")
_SIGNATURE = '//*[local-name()="Signature" and namespace-uri()="http://www.w3.org/2000/09/xmldsig#"]'
_SINGLE_LINE = "tr -d ' \\t\\r\\n'"


def verify(node: Node, *, files: Mapping[str, str], key: Sequence[str]) -> str | None:
    """The command that verifies one signature; None where xmlsec1 cannot be told which files or elements are meant.

    `files` are those of the detached contents by name, `key` says by which key."""
    maps = _url_maps(node, files=files)
    if maps is None or node.unnamed or not all(map(_is_plain, node.ids)):
        return None
    ids = [word for one in node.ids for word in _id_words(one)]
    words = (
        "xmlsec1",
        "--verify",
        *key,
        *ids,
        *maps,
        "--node-xpath",
        f"({_SIGNATURE})[{node.position}]",
        "document.xml",
    )
    return shlex.join(words)


def is_known(one: SignatureReport) -> bool:
    """Whether xmlsec1 can compute with the signature's algorithm."""
    return (
        one.algorithms is not None and one.algorithms.signature not in NOT_KNOWN and "sha3" not in one.algorithms.digest
    )


def stamped(data: str, value: str) -> tuple[str, ...]:
    """That `data`, which a timestamp is over, is a ds:SignatureValue with just the octets of `value`, and that these stand in
    the document."""
    inner = f"sed -e 's/<[^>]*>//g' -e 's/&#x[Dd];//g' {data} | {_SINGLE_LINE}"
    return (
        f'test "$({inner})" = "$(base64 -w 0 {value})"',
        f'{_SINGLE_LINE} < document.xml | grep -qF "$(base64 -w 0 {value})"',
    )


def _url_maps(node: Node, *, files: Mapping[str, str]) -> tuple[str, ...] | None:
    words: list[str] = []
    for uri in node.uris:
        file = next((files[name] for name in (uri, unquote(uri)) if name in files), None)
        if file is None or not all(map(str.isprintable, (uri, unquote(uri)))):
            return None
        for known_as in dict.fromkeys((unquote(uri), uri)):  # xmlsec1 takes percent signs out of some before it looks
            words += (f"--url-map:{known_as}", file)
    return tuple(words)


def _is_plain(one: IdAttribute) -> bool:
    return bool(_PLAIN.fullmatch(one.attribute) and _PLAIN.fullmatch(one.element) and _ADDRESS.fullmatch(one.namespace))


def _id_words(one: IdAttribute) -> tuple[str, str]:
    return f"--id-attr:{one.attribute}", f"{one.namespace}:{one.element}" if one.namespace else one.element
