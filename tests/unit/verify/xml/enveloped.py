"""Documents with a signature of another implementation in them, and what is judged of them."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime

from tests.pki import Authority, Signer
from tests.unit.verify.xml import peer
from tests.unit.verify.xml.peer import Asked
from verify import engine, policy
from verify.fetcher import Offline
from verify.trust import Trust
from verify.xml import names

EXC = names.C14N_EXCLUSIVE
ENVELOPED = Asked("", [names.ENVELOPED, EXC])
SHA1 = f"{names.DS}sha1"
INTACT = (None, "")
XADES = f'xmlns:xades="{names.XADES_132}"'


def signer(kind: str) -> Signer:
    return Authority.root("Gốc thử").authority("Cấp chứng thư thử").signer(f"Người ký {kind}", key=kind)


def x509(*certificates: bytes) -> str:
    held = "".join(f"<ds:X509Certificate>{base64.b64encode(one).decode()}</ds:X509Certificate>" for one in certificates)
    return f"<ds:X509Data>{held}</ds:X509Data>"


def rsa_key_value(one: Signer) -> str:
    numbers = one.key.public_key().public_numbers()
    modulus, exponent = (
        base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode() for number in (numbers.n, numbers.e)
    )
    return (
        f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>{exponent}</ds:Exponent>"
        "</ds:RSAKeyValue></ds:KeyValue>"
    )


def enveloped(*references: Asked, content: str = "<data>x</data>", **options: str) -> str:
    return f"<root>{content}{peer.template(*(references or (ENVELOPED,)), **options)}</root>"


def judge(data: bytes):
    return engine.judge(
        io.BytesIO(data),
        name="a.xml",
        trust=Trust(),
        policy=policy.load("default"),
        at=datetime(2026, 11, 22, tzinfo=UTC),
        fetcher=Offline(),
    )
