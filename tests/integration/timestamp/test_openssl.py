"""Timestamps against OpenSSL, in both directions: it accepts our tokens, we accept its, and both refuse the rest."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from signer.errors import TimestampUnavailable
from signer.timestamp import obtain, request
from tests.pki import Authority, Signer
from tests.timestamp_support import POLICY, Answers, authority, pem, token_in, tsa_signer
from verify.timestamp import check, matches, purpose_findings, read

pytestmark = [
    pytest.mark.spine,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

TSA = "http://tsa.example/"
CONFIG = """
[tsa]
default_tsa = usual
[usual]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
other_policies = 1.3.6.1.4.1.99999.2
digests = sha256, sha384, sha512
accuracy = secs:1
tsa_name = {named}
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes("Giấy giới thiệu".encode())
    return path


def openssl(*arguments: object, succeeds: bool = True) -> str:
    run = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert succeeds == (run.returncode == 0), run.stdout + run.stderr
    return run.stdout


class OpenSslAuthority:
    """`openssl ts -reply` as a timestamp authority."""

    def __init__(self, folder: Path, signer: Signer, *, ess: str = "sha256", named: str = "yes") -> None:
        self.folder, self.signer = folder, signer
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder, ess=ess, named=named))
        (folder / "tsa.pem").write_bytes(signer.pem)
        (folder / "chain.pem").write_bytes(b"".join(map(pem, signer.chain)))
        (folder / "tsa.key").write_bytes(
            signer.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def __call__(self, body: bytes) -> bytes:
        query, reply = self.folder / "q.tsq", self.folder / "r.tsr"
        query.write_bytes(body)
        certificates = ("-signer", self.folder / "tsa.pem", "-inkey", self.folder / "tsa.key")
        chain = ("-chain", self.folder / "chain.pem")
        config = ("-config", self.folder / "tsa.cnf", "-section", "usual")
        openssl("ts", "-reply", *config, "-queryfile", query, *certificates, *chain, "-out", reply)
        return reply.read_bytes()


@pytest.fixture
def trust(tmp_path: Path) -> tuple[object, ...]:
    """What OpenSSL is told to trust, and the certificates it may use on the way."""
    root = Authority.root()
    (tmp_path / "root.pem").write_bytes(root.pem)
    (tmp_path / "untrusted.pem").write_bytes(b"".join(map(pem, tsa_signer(key="p256").chain)))
    return "-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "untrusted.pem"


def serve(query: Path, signer: Signer, mechanism: str) -> Path:
    """Our authority's answer to a query that OpenSSL made, as a file."""
    answer = query.with_suffix(".tsr")
    service = authority(signer, mechanism=mechanism)
    answer.write_bytes(service.respond(query.read_bytes(), sign=lambda tbs: signer.sign(tbs, mechanism)))
    return answer


@pytest.mark.parametrize(
    ("key", "mechanism"),
    [
        ("rsa2048", "rsassa_pkcs1v15_sha256"),
        ("rsa2048", "rsassa_pkcs1v15_sha512"),
        ("p256", "ecdsa_sha256"),
        ("p384", "ecdsa_sha384"),
    ],
)
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512", "sha3-256"])
def test_openssl_verifies_what_our_authority_stamps(key, mechanism, digest, data, trust):
    """`openssl ts -query`, our answer, `openssl ts -verify` by data and by query; other data and other queries fail."""
    query = data.with_suffix(".tsq")
    openssl("ts", "-query", "-data", data, f"-{digest}", "-cert", "-tspolicy", POLICY, "-out", query)
    answer = serve(query, tsa_signer(key=key), mechanism)
    openssl("ts", "-verify", "-data", data, "-in", answer, *trust)
    openssl("ts", "-verify", "-queryfile", query, "-in", answer, *trust)
    text = openssl("ts", "-reply", "-in", answer, "-text")
    assert "Granted." in text
    assert f"Policy OID: {POLICY}" in text
    assert "Accuracy: 0x01 seconds" in text
    data.write_bytes(b"other")
    openssl("ts", "-verify", "-data", data, "-in", answer, *trust, succeeds=False)
    openssl("ts", "-query", "-digest", "00" * 32, "-sha256", "-out", query)
    openssl("ts", "-verify", "-queryfile", query, "-in", answer, *trust, succeeds=False)


@pytest.mark.parametrize(
    ("key", "mechanism"),
    [("rsa2048", "rsassa_pss_sha256"), ("rsa2048", "rsassa_pkcs1v15_sha256"), ("p256", "ecdsa_sha256")],
)
def test_openssl_cms_verifies_our_tokens_too(key, mechanism, data, trust, tmp_path):
    """PSS among them, which `openssl ts` cannot verify with anybody's tokens: it reads PKCS#7, which has no PSS."""
    query, token = data.with_suffix(".tsq"), tmp_path / "token.der"
    openssl("ts", "-query", "-data", data, "-sha256", "-cert", "-out", query)
    token.write_bytes(token_in(serve(query, tsa_signer(key=key), mechanism).read_bytes()))
    ca, root, *_ = trust
    shown = tmp_path / "info.der"
    openssl("cms", "-verify", "-in", token, "-inform", "DER", ca, root, "-purpose", "timestampsign", "-out", shown)
    assert shown.read_bytes() in token.read_bytes()


def test_openssl_verifies_a_token_without_certificates(data, trust, tmp_path):
    """Without -cert the answer carries none, and verifies when OpenSSL is given the certificate."""
    query = data.with_suffix(".tsq")
    openssl("ts", "-query", "-data", data, "-sha256", "-no_nonce", "-out", query)
    signer = tsa_signer(key="p256")
    answer = serve(query, signer, "ecdsa_sha256")
    assert () == read(token_in(answer.read_bytes())).certificates
    openssl("ts", "-verify", "-queryfile", query, "-in", answer, *trust, succeeds=False)
    (tmp_path / "untrusted.pem").write_bytes(b"".join(map(pem, (signer.der, *signer.chain))))
    openssl("ts", "-verify", "-queryfile", query, "-in", answer, *trust)


def test_openssl_shows_our_refusal(data):
    """SHA-1 is refused with badAlg, in words OpenSSL prints."""
    query = data.with_suffix(".tsq")
    openssl("ts", "-query", "-data", data, "-sha1", "-out", query)
    answer = serve(query, tsa_signer(key="p256"), "ecdsa_sha256")
    text = openssl("ts", "-reply", "-in", answer, "-text")
    assert "Status: Rejected." in text
    assert "unrecognized or unsupported algorithm identifier" in text


def test_openssl_reads_our_requests(tmp_path):
    """The DER of a request means to OpenSSL what it means to us."""
    query = tmp_path / "q.tsq"
    query.write_bytes(request(imprint=hashlib.sha384(b"x").digest(), digest="sha384", nonce=2**63 + 1, policy=POLICY))
    text = openssl("ts", "-query", "-in", query, "-text")
    for line in ("Version: 1", f"Policy OID: {POLICY}", "sha384", "Nonce: 0x8000000000000001", "required: yes"):
        assert line in text


def obtain_from(service, data: Path, *, digest: str = "sha256", policy: str | None = None):
    return obtain(
        imprint=hashlib.file_digest(data.open("rb"), digest).digest(),
        digest=digest,
        authorities=(TSA,),
        nonce=2**63 + 5,
        policy=policy,
        fetcher=Answers({TSA: service}),
    )


@pytest.mark.parametrize("key", ["rsa2048", "p256", "p384"])
@pytest.mark.parametrize("ess", ["sha1", "sha256", "sha512"])
def test_our_client_accepts_what_openssl_stamps(key, ess, data, tmp_path):
    """RSA and ECDSA, ESSCertID of old and ESSCertIDv2: a full check, and the token is about our data."""
    service = OpenSslAuthority(tmp_path, tsa_signer(key=key), ess=ess)
    for digest in ("sha256", "sha512"):
        token = obtain_from(service, data, digest=digest, policy=POLICY)
        check(token)
        assert matches(token, lambda name: hashlib.new(name, data.read_bytes()).digest())
        assert "Dấu thời gian (demo)" == token.tsa_name
        assert () == purpose_findings(token)


def test_our_client_words_openssls_refusal(data, tmp_path):
    """A policy that the authority does not serve: the failInfo and the authority's own sentence."""
    service = OpenSslAuthority(tmp_path, tsa_signer(key="p256"))
    with pytest.raises(TimestampUnavailable) as refused:
        obtain_from(service, data, policy="1.2.3.4")
    assert "rejection (unaccepted_policy, Requested policy is not supported.)" in refused.value.facts["failures"]


def test_one_flipped_bit_in_openssls_answer_is_noticed(data, tmp_path):
    """In TSTInfo, attributes and value, as far as the signature reaches."""
    signer = tsa_signer(key="p256")
    service = OpenSslAuthority(tmp_path, signer, named="no")
    answers: list[bytes] = []
    token = obtain_from(lambda body: answers.append(service(body)) or answers[-1], data)
    signed = token.der.index(token.imprint), len(token.der) - 100
    for position in (*range(signed[0], signed[0] + 90), *range(signed[1], len(token.der))):
        changed = bytearray(answers[0])
        changed[position + len(answers[0]) - len(token.der)] ^= 0x10
        with pytest.raises(TimestampUnavailable):
            obtain_from(bytes(changed), data)
