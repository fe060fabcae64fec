"""Missing issuers are fetched from where a certificate says they are: within bounds, and only what really issued it."""

from __future__ import annotations

import io
import time

import pytest
from asn1crypto import cms, pem, x509

from tests.unit.verify.forge import Forged, access, forge, judged, told
from tests.unit.verify.world import DAY, DEFAULT, NOW, Entity, Network, World, blank_pdf
from verify import engine
from verify.fetcher import FetchFailed, FetchRequest
from verify.gather import Gatherer
from verify.issuers import MOST_FETCHES, MOST_IN_ANSWER, certificates_in

pytestmark = pytest.mark.judging

ROOT = forge("Root", ca=True)
UPPER = forge("Upper CA", issuer=ROOT, ca=True)
LOWER = forge("Lower CA", issuer=UPPER, ca=True, extensions=[access("http://upper.test/")])
LEAF = forge("Leaf", issuer=LOWER, extensions=[access("http://lower.test/")])


def bundle(*certificates: Forged) -> bytes:
    """A PKCS#7 bundle, as `openssl crl2pkcs7` makes one."""
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [],
            "encap_content_info": {"content_type": "data"},
            "certificates": [
                cms.CertificateChoices("certificate", x509.Certificate.load(one.der)) for one in certificates
            ],
            "signer_infos": [],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


ANSWERS = {
    "one certificate": {"http://lower.test/": LOWER.der, "http://upper.test/": UPPER.der},
    "PEM": {
        "http://lower.test/": pem.armor("CERTIFICATE", LOWER.der),
        "http://upper.test/": pem.armor("CERTIFICATE", ROOT.der) + pem.armor("CERTIFICATE", UPPER.der),
    },
    "a bundle with all of them": {"http://lower.test/": bundle(ROOT, UPPER, LOWER)},
    "a bundle as PEM": {"http://lower.test/": pem.armor("PKCS7", bundle(LOWER, UPPER))},
}


@pytest.mark.parametrize("form", ANSWERS)
def test_path_over_fetched_issuers(form: str) -> None:
    """In whatever form they are served; each address is asked once."""
    network = Network(ANSWERS[form])
    report = judged(LEAF, root=ROOT, fetcher=network)
    assert told(report) == "passed"
    assert [part.split(",")[0] for part in report.path] == ["CN=Leaf", "CN=Lower CA", "CN=Upper CA", "CN=Root"]
    assert len(network.asked) == len(set(network.asked)) == len(ANSWERS[form])


def test_asks_nobody_when_the_path_is_there() -> None:
    network = Network()
    assert told(judged(LEAF, LOWER, UPPER, root=ROOT, fetcher=network)) == "passed"
    assert network.asked == []


def test_asks_only_for_what_is_missing() -> None:
    network = Network({"http://upper.test/": UPPER.der})
    assert told(judged(LEAF, LOWER, root=ROOT, fetcher=network)) == "passed"
    assert [request.url for request in network.asked] == ["http://upper.test/"]


def test_nobody_answers() -> None:
    """No path, and a warning that says whom to ask."""
    report = judged(LEAF, root=ROOT, fetcher=Network())
    assert told(report) == "NO_CERTIFICATE_CHAIN_FOUND no-path"
    assert [(warning.code, warning.facts["url"]) for warning in report.warnings] == [
        ("ISSUER_UNREACHABLE", "http://lower.test/")
    ]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"<html>moved</html>", id="a page"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n", id="half an armour"),
        pytest.param(b"\x30\x82\xff\xff" + bytes(100), id="junk"),
        pytest.param(forge("Lower CA", issuer=ROOT, ca=True).der, id="another key of that name"),
        pytest.param(forge("Stranger", ca=True).der, id="a stranger"),
        pytest.param(b"\x30" * (2 << 20), id="too large"),
        pytest.param(bundle(), id="an empty bundle"),
    ],
)
def test_answers_that_lead_nowhere(answer: bytes) -> None:
    """An answer is believed for its signature alone; anything else is as if nobody had answered."""
    report = judged(LEAF, root=ROOT, fetcher=Network({"http://lower.test/": answer}))
    assert told(report) == "NO_CERTIFICATE_CHAIN_FOUND no-path"


class TestBounds:
    def test_certificate_that_names_itself(self) -> None:
        """An address that serves the certificate itself is asked once."""
        leaf = forge("Leaf", issuer=forge("Nobody", ca=True), extensions=[access("http://loop.test/")])
        network = Network({"http://loop.test/": leaf.der})
        assert told(judged(leaf, root=ROOT, fetcher=network)).startswith("NO_CERTIFICATE_CHAIN_FOUND")
        assert len(network.asked) == 1

    def test_circle(self) -> None:
        """Two CAs that issued each other, each naming the other's address."""
        one = forge("One", ca=True)
        other = forge("Other", issuer=one, ca=True, extensions=[access("http://one.test/")])
        first = forge("One", issuer=other, ca=True, key=one.key, extensions=[access("http://other.test/")])
        leaf = forge("Leaf", issuer=other, extensions=[access("http://other.test/")])
        network = Network({"http://one.test/": first.der, "http://other.test/": other.der})
        assert told(judged(leaf, root=ROOT, fetcher=network)).startswith("NO_CERTIFICATE_CHAIN_FOUND")
        assert len(network.asked) == 2

    def test_fifty_cas_one_above_the_other(self) -> None:
        """The climb ends; so does the search when all fifty are there."""
        chain = [forge("CA 0", ca=True)]
        for number in range(1, 50):
            extensions = [access(f"http://ca.test/{number - 1}")]
            chain.append(forge(f"CA {number}", issuer=chain[-1], ca=True, extensions=extensions))
        leaf = forge("Leaf", issuer=chain[-1], extensions=[access("http://ca.test/49")])
        network = Network({f"http://ca.test/{number}": one.der for number, one in enumerate(chain)})
        start = time.process_time()
        assert told(judged(leaf, root=chain[0], fetcher=network)).startswith("NO_CERTIFICATE_CHAIN_FOUND")
        assert len(network.asked) == MOST_FETCHES
        assert told(judged(leaf, *chain[1:], root=chain[0])).startswith("NO_CERTIFICATE_CHAIN_FOUND")
        assert time.process_time() - start < 10

    def test_endless_hierarchy(self) -> None:
        """A server that makes a new CA above each one it is asked for."""
        keys = forge("Endless", ca=True)

        class Endless:
            asked = 0

            def fetch(self, request: FetchRequest, /) -> bytes:
                if request.kind != "certificate":
                    raise FetchFailed("no", url=request.url)
                Endless.asked += 1
                above = Forged(keys.der, keys.key, forge(f"Endless {Endless.asked + 1}").name)
                place = access(f"http://endless.test/{Endless.asked}")
                return forge(f"Endless {Endless.asked}", issuer=above, ca=True, key=keys.key, extensions=[place]).der

        issuer = Forged(keys.der, keys.key, forge("Endless 1").name)
        leaf = forge("Leaf", issuer=issuer, extensions=[access("http://endless.test/0")])
        assert told(judged(leaf, root=ROOT, fetcher=Endless())).startswith("NO_CERTIFICATE_CHAIN_FOUND")
        assert Endless.asked <= MOST_FETCHES

    def test_many_certificates_in_one_answer(self) -> None:
        """What is read of an answer is bounded."""
        assert len(list(certificates_in(bundle(*[ROOT] * 100)))) == MOST_IN_ANSWER
        assert len(list(certificates_in(pem.armor("CERTIFICATE", ROOT.der) * 100))) == MOST_IN_ANSWER

    def test_addresses_that_are_none(self) -> None:
        """Only http and https are handed to the fetcher; which hosts, it decides."""
        for url in ("ldap://x.test/cn=CA", "file:///etc/passwd", "ftp://x.test/ca.crt", "javascript:1"):
            network = Network()
            leaf = forge("Leaf", issuer=LOWER, extensions=[access(url)])
            assert told(judged(leaf, root=ROOT, fetcher=network)).startswith("NO_CERTIFICATE_CHAIN_FOUND")
            assert network.asked == []


class TestDocuments:
    """The same for signatures: only intact ones ask, and what was fetched is kept with the evidence."""

    def lonely(self) -> tuple[World, Forged, Network]:
        """A signer whose certificate travels without the one that issued it."""
        world = World()
        issuing = Forged(world.issuing.der, world.issuing.key, x509.Certificate.load(world.issuing.der).subject)
        leaf = forge("Nguyễn Văn A", issuer=issuing, extensions=[access("http://issuing.test/")])
        return world, leaf, Network({"http://issuing.test/": world.issuing.der})

    def test_gathered_for_long_term(self) -> None:
        """Evidence for B-LT holds the issuer that was fetched, and what is said of it."""
        world, leaf, network = self.lonely()
        gatherer = Gatherer(trust=world.trust(), policy=DEFAULT, fetcher=network, now=NOW)
        gathered = gatherer.signature(leaf.der, proven=NOW - DAY)
        assert world.issuing.der in gathered.evidence.certificates
        assert len(gathered.evidence.crls) == 2

    def test_only_intact_signatures_ask(self) -> None:
        """Nothing that an attacker writes into a document makes requests; the same document unchanged does, and passes."""
        world, leaf, _ = self.lonely()
        signed = World().sign(blank_pdf(), signer=Entity(leaf.certificate, leaf.key))
        changed = signed.replace(b"(Kyso)", b"(Kysq)", 1)
        assert changed != signed
        for document, verdict, asked in ((changed, "TOTAL_FAILED", 0), (signed, "TOTAL_PASSED", 1)):
            network = Network({"http://issuing.test/": world.issuing.der})
            report = engine.judge(
                io.BytesIO(document), name="a.pdf", trust=world.trust(), policy=DEFAULT, at=NOW, fetcher=network
            )
            assert (report.verdict, len(network.asked)) == (verdict, asked)
