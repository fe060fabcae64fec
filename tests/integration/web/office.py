"""Two offices on a whole demo appliance, as the tests of the browser's flow need them: people with keys of their own in
the token and passkeys in a browser, seals with their clerks, and the system that asks.

    with office(tmp_path) as house:
        told = house.ask(letter(), step="o1-ky", who=house.cell)
        house.tab.open(told["url"])

The demo has one side of a transfer; the other, and keys that only their people activate, are added here the way an
administrator does it: key, certificate, passkey, directory.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, load_pem_private_key
from cryptography.x509.oid import NameOID

from api import settings as kyso_settings
from api.cli import activation, appliance
from api.directory import importing, records
from api.directory.reading import Source
from api.store.database import open_database
from docker.demo import home as demo
from hsm.activation import Registration
from hsm.token import TokenAdmin
from tests.appliance import ROOT, SET_UP, Appliance, free_port, laid_out, serving
from tests.browser import PATIENCE, Tab, browser
from tests.looks_support import hand, seal

PROCEDURE = "chuyen-sinh-hoat-chinh-thuc"


@dataclass(frozen=True)
class Signer:
    """Somebody who signs: code in the directory, name, office, and the key they use."""

    code: str
    name: str
    organisation: str
    key: str
    role: str = "official"
    seal: str | None = None
    """Name in the certificate of a seal."""


SEAL_NAME = "Đảng ủy cơ sở Nơi Đến (demo)"
CELL = Signer("DEMO-01", "Nguyễn Văn Mẫu (demo)", "CB-THON-MAU", "flow-cell")
COMMITTEE = Signer("DEMO-05", "Ngô Ví Dụ (demo)", "DU-CS-MAU", "flow-committee")
CLERK = Signer("DEMO-04", "Hoàng Văn Thư (demo)", "DU-CS-MAU", "demo-seal", "clerk", "Đảng ủy cơ sở Mẫu (demo)")
RECEIVING = Signer("DEN-01", "Đinh Nơi Đến (demo)", "DU-CS-DEN", "flow-receiving")
RECEIVING_CLERK = Signer("DEN-02", "Mai Văn Thư (demo)", "DU-CS-DEN", "demo-receiving-seal", "clerk", SEAL_NAME)
RECEIVING_CELL = Signer("DEN-03", "Cao Chi Bộ (demo)", "CB-DEN", "flow-receiving-cell")
PERSONS = (CELL, COMMITTEE, RECEIVING, RECEIVING_CELL)
"""They have keys that only their own passkeys activate."""

DIRECTORY = {
    "organisations": "mã;tên;loại;cấp trên;từ ngày\n"
    f"DU-CS-DEN;{SEAL_NAME};đảng ủy cơ sở;DU-XA-MAU;2024-01-01\n"
    "CB-DEN;Chi bộ Nơi Đến (demo);chi bộ;DU-CS-DEN;2024-01-01\n",
    "people": "mã cán bộ;họ và tên;tài khoản\n"
    + "".join(f"{one.code};{one.name};\n" for one in (RECEIVING, RECEIVING_CLERK, RECEIVING_CELL)),
    "posts": "cán bộ;đơn vị;chức vụ;cấp bậc;từ ngày\n"
    "DEN-01;DU-CS-DEN;Bí thư Đảng ủy;trưởng;2024-01-01\nDEN-03;CB-DEN;Bí thư Chi bộ;trưởng;2024-01-01\n",
    "roles": "cán bộ;đơn vị;vai trò;từ ngày\nDEN-02;DU-CS-DEN;văn thư;2024-01-01\n",
    "keys": "khóa;đơn vị;cán bộ;từ ngày\n"
    + "".join(f"{one.key};{one.organisation};{one.code};2024-01-01\n" for one in PERSONS)
    + f"{RECEIVING_CLERK.key};DU-CS-DEN;;2024-01-01\n",
}
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
ELSEWHERE = "tthc.localhost"
"""The host of another system's pages: another site than `localhost`, and still this machine."""


@dataclass
class House:
    """The appliance, the system that asks (`client`), and a browser with everybody's passkeys."""

    appliance: Appliance
    tab: Tab
    authenticator: str
    enrolled: dict[str, bytes]
    """Key → id of its person's passkey."""
    embedder: str
    """Origin of another system's pages, which `[sessions] origins` names."""

    @property
    def client(self) -> httpx.Client:
        return self.appliance.client

    def post(self, document: bytes | str, *, who: Signer, step: str | None = None, **more: Any) -> httpx.Response:
        """`POST /v1/sessions` for a document, given as bytes or as the id of a signature that led to it; `others` are
        titles of further copies of it."""
        name = f"signature:{document}" if isinstance(document, str) else more.pop("name", "giay-gioi-thieu.pdf")
        entry: dict[str, Any] = {"document": name, "title": more.pop("title", "Giấy giới thiệu sinh hoạt đảng (demo)")}
        entry |= {} if step is None else {"procedure": PROCEDURE, "step": step}
        entry |= {field: more.pop(field) for field in ("order", "bodies") if field in more}
        also = more.pop("others", ())
        entries = [entry, *({**entry, "document": f"{number}.pdf", "title": one} for number, one in enumerate(also))]
        asked = {"documents": entries, "person": who.code, "organisation": who.organisation, "role": who.role, **more}
        if isinstance(document, str):
            return self.client.post("/v1/sessions", json=asked)
        sent = [("document", (one["document"], document, "application/pdf")) for one in entries]
        files: list[Any] = [("session", (None, json.dumps(asked).encode(), "application/json")), *sent]
        return self.client.post("/v1/sessions", files=files)

    def ask(self, document: bytes | str, *, who: Signer, step: str | None = None, **more: Any) -> dict[str, Any]:
        answer = self.post(document, who=who, step=step, **more)
        assert 201 == answer.status_code, answer.text
        return cast("dict[str, Any]", answer.json())

    def call(self, told: dict[str, Any], method: str, path: str = "", **more: Any) -> httpx.Response:
        """As the session's page does it."""
        headers = {"Authorization": f"Bearer {told['token']}", "Accept-Language": "vi"}
        url = f"{self.appliance.url}/v1/sessions/{told['id']}{path}"
        return httpx.request(method, url, headers=headers, timeout=PATIENCE, **more)

    def consent(self, told: dict[str, Any], key: str) -> httpx.Response:
        """To all documents as they are shown."""
        shown = self.state(told)["documents"]
        documents = [{"id": one["id"], "sha256": one["sha256"]} for one in shown]
        return self.call(told, "POST", "/consent", json={"key": key, "documents": documents})

    def state(self, told: dict[str, Any]) -> dict[str, Any]:
        """The session as its system sees it."""
        return cast("dict[str, Any]", self.client.get(f"/v1/sessions/{told['id']}").json())

    def signature(self, told: dict[str, Any]) -> str:
        """The one signature that the session led to."""
        (document,) = self.state(told)["documents"]
        assert "signed" == document["state"], document
        return str(document["outcome"]["signature"])

    def document(self, signature: str) -> bytes:
        return self.client.get(f"/v1/signatures/{signature}/document").raise_for_status().content

    @property
    def passkeys(self) -> list[dict[str, Any]]:
        """Everybody's, with their private keys."""
        found = self.tab.call("WebAuthn.getCredentials", authenticatorId=self.authenticator)
        return cast("list[dict[str, Any]]", found["credentials"])

    def passkey_of(self, key: str) -> dict[str, Any]:
        return next(one for one in self.passkeys if base64.b64decode(one["credentialId"]) == self.enrolled[key])

    def put_passkeys(self, credentials: list[dict[str, Any]]) -> None:
        """What another window's authenticator holds after use: its counters have gone on."""
        self.tab.call("WebAuthn.clearCredentials", authenticatorId=self.authenticator)
        for one in credentials:
            self.tab.call("WebAuthn.addCredential", authenticatorId=self.authenticator, credential=one)

    @property
    def admin(self) -> Any:
        """The management socket of the demo token's keeper."""
        return appliance.admin(kyso_settings.load(self.appliance.home), "demo")


@contextmanager
def office(folder: Path) -> Iterator[House]:
    """Everything made before the service starts, so that nobody has to wait until it is known; passkeys afterwards."""
    home = folder / "home"
    folder.mkdir(parents=True, exist_ok=True)
    port = laid_out(home)
    if not home.exists():  # another demo is served where the laid out one would be
        subprocess.run([sys.executable, "-c", SET_UP, ROOT / "docker" / "demo", home, str(port)], check=True)
    embedder = f"http://{ELSEWHERE}:{free_port()}"
    (home / "kyso.toml").write_text(_settings(port=port, embedder=embedder), "utf-8")
    settings = kyso_settings.load(home)
    with appliance.admin(settings, "demo") as admin:
        _keys(admin, home)
    _directory(settings)
    _pictures(home)
    with serving(home, port=port) as served, browser() as tab:
        tab.call("WebAuthn.enable")
        made = tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)["authenticatorId"]
        tab.open(f"{served.url}/sign/ses_none")
        with appliance.admin(settings, "demo") as admin:
            enrolled = {person.key: _enrol(admin, tab, person.key) for person in PERSONS}
        yield House(served, tab, made, enrolled, embedder)


def _settings(*, port: int, embedder: str) -> str:
    """As the demo's, with keys that are people's and a page elsewhere that may embed."""
    persons = "".join(
        f'\n[keys.{one.key}]\nholder = "person"\n[keys.{one.key}.activation]\nrp_id = "localhost"\n'
        f'origins = ["http://localhost:{port}"]\n'
        for one in PERSONS
    )
    sections = f'[sessions]\norigins = ["{embedder}"]\nhotline = "0200 000 000 (demo)"\n'
    return demo.kyso_toml(port=port).replace("[sessions]\n", sections) + persons


def _pictures(home: Path) -> None:
    for one in (*PERSONS, CLERK, RECEIVING_CLERK):
        name, picture = ("seal.png", seal()) if one.role == "clerk" else ("signature.png", hand())
        path = home / "pictures" / one.key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)


def _keys(admin: TokenAdmin, home: Path) -> None:
    """Keys in the token, with certificates of the demo's authority."""
    pki = home / "demo" / "pki"
    issuer = load_pem_private_key((pki / "keys" / "issuing.key.pem").read_bytes(), None)
    model = x509.load_pem_x509_certificate((home / "demo" / "certificates" / "demo-official.pem").read_bytes())
    issuing = x509.load_pem_x509_certificate((home / "trust" / "intermediates" / "demo-issuing.pem").read_bytes())
    for one in (*PERSONS, RECEIVING_CLERK):
        name = one.seal or one.name
        made = admin.create_key(one.key, "p256")
        certificate = _certificate(name, made.public_key, model=model, issuer=cast("RSAPrivateKey", issuer))
        admin.import_certificate(one.key, certificate, (issuing.public_bytes(Encoding.DER),))


def _certificate(name: str, public_key: bytes, *, model: x509.Certificate, issuer: RSAPrivateKey) -> bytes:
    """Like another one of the authority, for somebody else: revocation by its list alone, as its responder knows only
    what it issued itself."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        )
        .issuer_name(model.issuer)
        .public_key(cast("Any", load_der_public_key(public_key)))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=365))
    )
    for kind in (x509.AuthorityKeyIdentifier, x509.KeyUsage, x509.CRLDistributionPoints):
        found = model.extensions.get_extension_for_class(kind)  # type: ignore[type-var]
        builder = builder.add_extension(found.value, critical=found.critical)
    return builder.sign(issuer, hashes.SHA256()).public_bytes(Encoding.PEM)


def _enrol(admin: TokenAdmin, tab: Tab, key: str) -> bytes:
    """A passkey in the browser answers for the key, by a one-time code. Its id."""
    invited = admin.begin_enrolment(key)
    options = json.dumps(activation.options(invited))
    answer = tab.run(
        "navigator.credentials.create({ publicKey:"
        f" PublicKeyCredential.parseCreationOptionsFromJSON({options}) }}).then((made) => made.toJSON().response)"
    )
    given = Registration(_octets(answer["clientDataJSON"]), _octets(answer["attestationObject"]))
    return admin.enrol(key, code=invited.code, registration=given).id


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _directory(settings: kyso_settings.Settings) -> None:
    sources = [
        Source.of_bytes(f"{name}.csv", text.encode(), kind=records.kind_of_file(name))
        for name, text in DIRECTORY.items()
    ]
    clock = partial(datetime.now, settings.zone)
    database = open_database(settings.database_url)
    try:
        importing.run(database, sources, as_of=clock(), zone=settings.zone, caller="demo", clock=clock)
    finally:
        database.close()
