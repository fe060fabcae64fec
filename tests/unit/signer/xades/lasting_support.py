"""XML documents and signers for the tests of what lasts: the world of `tests.longterm_support`, with XML in it."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from lxml import etree

from signer import pipeline
from signer.extending import Grounds
from signer.model import Extended, Prepared, SignatureValue, Signed, SignOrder
from signer.xades.plan import XmlPlan
from tests.longterm_support import TSA_URL, Net, World, sign_with
from tests.unit.verify.world import Entity
from verify import engine, policy
from verify.fetcher import Fetcher, Offline
from verify.policy import Policy
from verify.report import Report
from verify.xml.names import DS, XADES_132, XADES_141

SPACES = {"ds": DS, "xades": XADES_132, "xades141": XADES_141}
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!-- trước --><hồ-sơ xmlns="urn:x" xmlns:b="urn:b" xml:lang="vi">
  <b:phần Id="p1">Nguyễn Văn A &amp; <![CDATA[<b>]]></b:phần><?in?><phần Id="p2" b:x='1'/>
</hồ-sơ>
<!-- sau -->""".encode()
PLAIN = XmlPlan()
DETACHED = {"phụ lục.bin": bytes(range(256))}


@dataclass
class XmlHand:
    """Signs and extends XML as the service would, in memory."""

    world: World
    signer: Entity
    mechanism: str = "ecdsa_sha256"
    policy: Policy = field(default_factory=lambda: policy.load("default"))
    net: Net = field(init=False)

    def __post_init__(self) -> None:
        self.net = Net(self.world)

    @classmethod
    def of(cls, world: World, kind: str = "p256", mechanism: str = "ecdsa_sha256") -> XmlHand:
        return cls(world, world.signer(kind), mechanism)

    @property
    def grounds(self) -> Grounds:
        return Grounds(self.world.trust(), self.policy, self.world.at)

    def order(self, level: str, plan: XmlPlan, **changes) -> SignOrder:
        plain = SignOrder(
            certificate=self.signer.der,
            chain=(self.world.issuing.der,),
            mechanism=self.mechanism,
            signing_time=self.world.at,
            format="XAdES",
            level=level,
            timestamp_authorities=(TSA_URL,),
            xml=plan,
        )
        return replace(plain, **changes)

    def prepare(self, data: bytes, level: str, plan: XmlPlan, **changes) -> tuple[Prepared, BinaryIO]:
        """What is to be signed, and the file as it was laid out."""
        out = file_of()
        prepared = pipeline.prepare(
            file_of(data),
            self.order(level, plan, **changes),
            out=out,
            original_sha256=hashlib.sha256(data).hexdigest(),
            nonce=0x1122334455667788,
            detached=beside(plan),
        )
        return prepared, out

    def value(self, prepared: Prepared) -> SignatureValue:
        return SignatureValue(sign_with(self.signer.key, prepared.tbs, self.mechanism), self.mechanism)

    def sign(
        self, data: bytes, level: str, plan: XmlPlan = PLAIN, *, fetcher: Fetcher | None = None, **changes
    ) -> tuple[bytes, Signed]:
        """The signed document, and what is said of it."""
        prepared, out = self.prepare(data, level, plan, **changes)
        further = beside(plan)
        if plan.name:
            further[plan.name] = file_of(data)
        value = self.value(prepared)
        signed = pipeline.complete(
            prepared, value, out=out, fetcher=fetcher or self.net, grounds=self.grounds, detached=further
        )
        out.seek(0)
        made = out.read()
        assert hashlib.sha256(made).hexdigest() == signed.sha256
        assert len(made) == signed.size
        return made, signed

    def extend(
        self,
        data: bytes,
        level: str,
        *,
        fetcher: Fetcher | None = None,
        detached: dict[str, bytes] | None = None,
        **options,
    ) -> tuple[bytes, Extended]:
        out = file_of()
        done = pipeline.extend(
            file_of(data),
            level,
            trust=self.world.trust(),
            policy=self.policy,
            out=out,
            fetcher=fetcher or self.net,
            at=self.world.at,
            detached={name: io.BytesIO(content) for name, content in (detached or {}).items()},
            **{"authorities": (TSA_URL,), "nonce": 77, **options},
        )
        out.seek(0)
        made = out.read()
        assert hashlib.sha256(made).hexdigest() == done.sha256
        assert len(made) == done.size
        return made, done


def beside(plan: XmlPlan) -> dict[str, BinaryIO]:
    """The further files that are signed."""
    return {one.name: file_of(DETACHED[one.name]) for one in plan.detached}


def file_of(data: bytes = b"") -> BinaryIO:
    """An open file without a name: what is signed is copied by the kernel."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller's
    file.write(data)
    file.seek(0)
    return file


def judge(
    world: World, data: bytes, *, detached: dict[str, bytes] | None = None, fetcher: Fetcher | None = None, **options
) -> Report:
    """As of the world's time, offline, with the one anchor."""
    return engine.judge(
        file_of(data),
        name="a.xml",
        trust=world.trust(),
        policy=options.pop("policy", None) or policy.load("default"),
        at=options.pop("at", None) or world.at,
        fetcher=fetcher or Offline(),
        detached={name: io.BytesIO(content) for name, content in (detached or {}).items()},
    )


def properties(data: bytes, *, number: int = 0) -> list[str]:
    """The names of the unsigned properties of the signature with this number in the document."""
    signature = list(etree.fromstring(data).iter(f"{{{DS}}}Signature"))[number]
    found = signature.findall("ds:Object/xades:QualifyingProperties/xades:UnsignedProperties/*/*", SPACES)
    return [etree.QName(one).localname for one in found]
