"""The report for machines: ETSI TS 119 102-2 V1.4.1, valid against its schema, made from the same values as the JSON.

Every signature has a `SignatureValidationReport`: what was judged, by which policy, each check as a constraint with its
outcome, the certificate chain and the indication. Every certificate, list, answer, timestamp and signature value that
was used stands once among the `SignatureValidationObjects`, with its octets and the time for which it is proven; a
timestamp also says what it proves. Codes of our own are URNs below `urn:kyso:`.

    etsi.report_xml(report)     # bytes, UTF-8
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from lxml import etree

from verify.report import Check, Material, ProofOfExistence, Report, SignatureReport, TimestampReport, ValidationObject

VR = "http://uri.etsi.org/19102/v1.4.1#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
DS = "http://www.w3.org/2000/09/xmldsig#"


def _element(namespace: str, name: str, *content: etree._Element | str, **attributes: str) -> etree._Element:
    """An element with its children or its text."""
    made = etree.Element(f"{{{namespace}}}{name}", attributes, nsmap=_PREFIXES)
    for one in content:
        if isinstance(one, str):
            made.text = one
        else:
            made.append(one)
    return made


_PREFIXES = {"vr": VR, "xades": XADES, "ds": DS}
_vr, _xades, _ds = (partial(_element, namespace) for namespace in _PREFIXES.values())

_DIGESTS = {
    "sha1": "http://www.w3.org/2000/09/xmldsig#sha1",
    "sha224": "http://www.w3.org/2001/04/xmldsig-more#sha224",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
    "sha3_256": "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    "sha3_384": "http://www.w3.org/2007/05/xmldsig-more#sha3-384",
    "sha3_512": "http://www.w3.org/2007/05/xmldsig-more#sha3-512",
}
"""RFC 9231 §2.1."""
_SIGNATURES = {
    "rsassa_pkcs1v15": "http://www.w3.org/2001/04/xmldsig-more#rsa-{digest}",
    "rsassa_pss": "http://www.w3.org/2007/05/xmldsig-more#{digest}-rsa-MGF1",
    "ecdsa": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-{digest}",
    "ed25519": "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
    "ed448": "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448",
}
"""RFC 9231 §2.3."""
_OBJECTS = {"certificate": "certificate", "crl": "CRL", "ocsp": "OCSPResponse", "timestamp": "timestamp"}
_SHOWN_AS = {"signature": "SignatureTimeStamp", "archive": "ArchiveTimeStamp", "document": "DocTimeStamp"}
_CONSTRAINTS = {"PASSED": "passed", "WARNING": "indeterminate", "FAILED": "failed"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report_xml(report: Report) -> bytes:
    """The whole report. A document without signatures has one `SignatureValidationReport`, which says so."""
    return _Writer(report).document()


class _Writer:
    """One report on its way: knows which objects may be referred to."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._objects = {one.id: one for one in report.objects}
        everyone = [*report.timestamps, *(stamp for one in report.signatures for stamp in one.timestamps)]
        self._stamps = {stamp.id: stamp for stamp in everyone}
        self._stamp_of_object = {stamp.material.object: stamp for stamp in everyone if stamp.material.object}

    def document(self) -> bytes:
        signatures = [self._signature(one, number) for number, one in enumerate(self._report.signatures, 1)]
        root = _vr("ValidationReport", *(signatures or [self._none()]), self._object_list())
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)

    # --- signatures ---------------------------------------------------------------------------------------------------

    def _none(self) -> etree._Element:
        """No signature: the indication that EU DSS uses for it, as the standard has none."""
        return _vr(
            "SignatureValidationReport",
            self._time_info(None),
            self._document_reference(),
            _vr("SignatureValidationStatus", _vr("MainIndication", "urn:cef:dss:mainindication:noSignatureFound")),
        )

    def _signature(self, one: SignatureReport, number: int) -> etree._Element:
        return _vr(
            "SignatureValidationReport",
            self._identifier(one, number),
            self._constraints(one.checks),
            self._time_info(one),
            self._document_reference(),
            *self._attributes(one),
            *self._signer(one.material, one.signer.subject if one.signer else None),
            _vr(
                "SignatureValidationProcess",
                _vr("SignatureValidationProcessID", f"urn:etsi:019102:validationprocess:{_process(one)}"),
            ),
            self._status(one.indication, one.sub_indication, one),
        )

    def _identifier(self, one: SignatureReport, number: int) -> etree._Element:
        found = []
        if one.material.tbs is not None:
            found.append(_digest(*one.material.tbs))
        value = self._objects.get(one.material.object)
        if value is not None and value.data:
            found.append(_ds("SignatureValue", _base64(value.data)))
        return _vr(
            "SignatureIdentifier",
            *found,
            _vr("HashOnly", "false"),
            _vr("DocHashOnly", "false"),
            _vr("DAIdentifier", _text(one.id)),
            id=f"S-{number}",
        )

    def _constraints(self, checks: Iterable[Check]) -> etree._Element:
        named = [
            _vr(
                "SignaturePolicyIdentifier",
                _xades(
                    "SignaturePolicyId",
                    _xades("SigPolicyId", _xades("Identifier", f"urn:kyso:policy:{quote(self._report.policy)}")),
                    _xades("SigPolicyHash", *_digest_parts("sha256", self._report.policy_details.sha256)),
                )
                if self._report.policy_details is not None
                else _xades(
                    "SignaturePolicyImplied",
                ),
            ),
            _vr("PolicyName", _text(self._report.policy)),
        ]
        return _vr(
            "ValidationConstraintsEvaluationReport",
            _vr("SignatureValidationPolicy", *named),
            *(_constraint(check) for check in checks),
        )

    def _time_info(self, one: SignatureReport | None) -> etree._Element:
        best, proof = self._report.validated_at, None
        if one is not None and one.best_signature_time is not None:
            best = one.best_signature_time
            proof = next(
                (stamp for stamp in self._stamps.values() if stamp.time == best and stamp.material.object), None
            )
        return _vr(
            "ValidationTimeInfo",
            _vr("ValidationTime", _time(self._report.validated_at)),
            self._poe("BestSignatureTime", best, proof.material.object if proof is not None else None),
        )

    def _document_reference(self) -> etree._Element:
        return _vr(
            "SignersDocument",
            _digest("sha256", self._report.document.sha256),
            _vr("SignersDocumentRef", VOReference=self._document_id),
        )

    def _attributes(self, one: SignatureReport) -> Iterator[etree._Element]:
        found = []
        if one.claimed_time is not None:
            found.append(_vr("SigningTime", _vr("Time", _time(one.claimed_time)), Signed="true"))
        if one.material.path:
            reference = _vr("CertID", *_digest_parts("sha256", one.material.path[0]))
            found.append(
                _vr("SigningCertificate", *self._references("AttributeObject", one.material.path[:1]), reference)
            )
        for stamp in one.timestamps:
            name = _SHOWN_AS.get(stamp.type)
            if name is not None and stamp.time is not None:
                token = self._references("AttributeObject", (stamp.material.object,))
                found.append(_vr(name, *token, _vr("TimeStampValue", _time(stamp.time)), Signed="false"))
        for child in self._report.signatures:
            if child.parent == one.id and child.material.tbs is not None:
                method, value = _digest_parts(*child.material.tbs)
                pointer = _vr(
                    "CounterSignature",
                    _vr("DigestMethod", str(method.get("Algorithm"))),
                    _vr("DigestValue", str(value.text)),
                )
                found.append(_vr("CounterSignature", pointer, Signed="false"))
        if found:
            yield _vr("SignatureAttributes", *found)

    def _signer(self, material: Material, subject: str | None) -> Iterator[etree._Element]:
        if material.path and material.path[0] in self._objects:
            certificate = _vr("SignerCertificate", VOReference=_id(self._objects[material.path[0]]))
            yield _vr("SignerInformation", certificate, *([_vr("Signer", _text(subject))] if subject else []))

    def _status(self, indication: str, sub: str | None, one: SignatureReport | TimestampReport) -> etree._Element:
        said = [_vr("MainIndication", _indication(indication))]
        if sub is not None:
            said.append(_vr("SubIndication", f"urn:etsi:019102:subindication:{quote(sub)}"))
        data = [
            *self._chain(one.material),
            *self._references("RelatedValidationObject", (*one.material.certificates, *one.material.revocation)),
            *self._revocation(one),
            *(self._crypto(one) if isinstance(one, SignatureReport) else ()),
        ]
        return _vr(
            "SignatureValidationStatus", *said, *([_vr("AssociatedValidationReportData", *data)] if data else [])
        )

    def _chain(self, material: Material) -> Iterator[etree._Element]:
        known = [_id(self._objects[one]) for one in material.path if one in self._objects]
        if len(known) > 1:
            yield _vr("TrustAnchor", VOReference=known[-1])
        if known:
            yield _vr(
                "CertificateChain",
                _vr("SigningCertificate", VOReference=known[0]),
                *(_vr("IntermediateCertificate", VOReference=one) for one in known[1:-1]),
                *(_vr("TrustAnchor", VOReference=one) for one in known[1:][-1:]),
            )

    def _revocation(self, one: SignatureReport | TimestampReport) -> Iterator[etree._Element]:
        """Of a revoked signer: when. The checks name the certificate by its subject; only the first is the signer's."""
        revoked_at = next((check.facts["revoked_at"] for check in one.checks if check.facts.get("revoked_at")), None)
        if revoked_at is None or not one.material.path or one.material.path[0] not in self._objects:
            return
        yield _vr(
            "RevocationStatusInformation",
            _vr("ValidationObjectId", VOReference=_id(self._objects[one.material.path[0]])),
            _vr("RevocationTime", _time(datetime.fromisoformat(str(revoked_at)))),
            *self._references("RevocationObject", one.material.revocation[:1]),
        )

    def _crypto(self, one: SignatureReport) -> Iterator[etree._Element]:
        """The algorithm of the signature value, and whether the policy believes in it."""
        algorithms, value = one.algorithms, self._objects.get(one.material.object)
        if algorithms is None or value is None:
            return
        form = _SIGNATURES.get(algorithms.signature, "urn:kyso:algorithm:" + quote(algorithms.signature))
        weak = (one.sub_indication or "").startswith("CRYPTO_CONSTRAINTS_FAILURE")
        yield _vr(
            "CryptoInformation",
            _vr("ValidationObjectId", VOReference=_id(value)),
            _vr("Algorithm", form.format(digest=algorithms.digest.replace("_", "-"))),
            _typed("AlgorithmParameters", "urn:kyso:key-size", algorithms.key_size),
            _vr("SecureAlgorithm", "false" if weak else "true"),
        )

    # --- objects ------------------------------------------------------------------------------------------------------

    @property
    def _document_id(self) -> str:
        return f"D-{self._report.document.sha256}"

    def _object_list(self) -> etree._Element:
        document = _vr(
            "ValidationObject",
            _vr("ObjectType", "urn:etsi:019102:validationObject:signedData"),
            _vr("ValidationObjectRepresentation", _digest("sha256", self._report.document.sha256)),
            self._poe("POE", self._report.validated_at, None),
            id=self._document_id,
        )
        return _vr("SignatureValidationObjects", document, *(self._object(one) for one in self._report.objects))

    def _object(self, one: ValidationObject) -> etree._Element:
        shown = _vr("base64", _base64(one.data)) if one.data else _digest("sha256", one.id)
        parts = [
            _vr("ObjectType", f"urn:etsi:019102:validationObject:{_OBJECTS.get(one.kind, one.kind)}"),
            _vr("ValidationObjectRepresentation", shown),
            self._poe("POE", one.poe.time, self._proof(one.poe)),
        ]
        stamp = self._stamp_of_object.get(one.id)
        if stamp is not None:
            parts += [*self._proves(stamp), self._stamp_report(stamp)]
        return _vr("ValidationObject", *parts, id=_id(one))

    def _proves(self, stamp: TimestampReport) -> Iterator[etree._Element]:
        """Only a timestamp that passed proves anything."""
        if stamp.indication == "TOTAL_PASSED" and stamp.time is not None:
            covered = self._references("ValidationObject", stamp.material.covers)
            yield _vr("POEProvisioning", _vr("POETime", _time(stamp.time)), *covered)

    def _stamp_report(self, stamp: TimestampReport) -> etree._Element:
        return _vr(
            "ValidationReport",
            self._constraints(stamp.checks),
            *self._signer(stamp.material, stamp.tsa),
            self._status(stamp.indication.removeprefix("TOTAL_"), stamp.sub_indication, stamp),
        )

    def _poe(self, name: str, time: datetime, by: str | None) -> etree._Element:
        return _vr(
            name,
            _vr("POETime", _time(time)),
            _vr("TypeOfProof", "urn:etsi:019102:poetype:validation"),
            *self._references("POEObject", (by,) if by else ()),
        )

    def _proof(self, poe: ProofOfExistence) -> str | None:
        stamp = self._stamps.get(poe.by) if poe.by is not None else None
        return stamp.material.object if stamp is not None else None

    def _references(self, name: str, identities: Iterable[str]) -> list[etree._Element]:
        """One element for each of these objects that the report has."""
        return [_vr(name, VOReference=_id(self._objects[one])) for one in identities if one in self._objects]


def _constraint(check: Check) -> etree._Element:
    """A check as a constraint: its clause and facts are parameters, so that nothing of the JSON is lost."""
    facts = [("clause", check.clause), *((name, value) for name, value in check.facts.items() if value is not None)]
    ran = check.outcome in _CONSTRAINTS
    status = f"urn:etsi:019102:constraintStatus:{'applied' if ran else 'disabled'}"
    parts = [_vr("ConstraintStatus", _vr("Status", status))]
    if ran:
        main = f"urn:etsi:019102:mainindication:{_CONSTRAINTS[check.outcome]}"
        parts.append(_vr("ValidationStatus", _vr("MainIndication", main)))
    return _vr(
        "ValidationConstraint",
        _vr("ValidationConstraintIdentifier", f"urn:kyso:check:{quote(check.code)}"),
        *(_typed("ValidationConstraintParameter", f"urn:kyso:fact:{quote(name)}", value) for name, value in facts),
        *parts,
    )


def _process(one: SignatureReport) -> str:
    """TS 119 102-2: which of the processes led to the indication."""
    if any("§5.6" in check.clause for check in one.checks):
        return "LTA"
    return "LTVM" if one.timestamps or one.material.revocation else "Basic"


def _indication(name: str) -> str:
    return f"urn:etsi:019102:mainindication:{name.lower().replace('_', '-')}"


def _typed(element: str, kind: str, value: object) -> etree._Element:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _vr(element, _vr("Type", kind), _vr("Value", _text(text)))


def _digest(name: str, hexadecimal: str) -> etree._Element:
    return _vr("DigestAlgAndValue", *_digest_parts(name, hexadecimal))


def _digest_parts(name: str, hexadecimal: str) -> tuple[etree._Element, etree._Element]:
    method = _DIGESTS.get(name, f"urn:kyso:digest:{quote(name)}")
    return _ds("DigestMethod", Algorithm=method), _ds("DigestValue", _base64(bytes.fromhex(hexadecimal)))


def _id(one: ValidationObject) -> str:
    """An xs:ID may not begin with a digit."""
    return f"{one.kind[0].upper()}{one.kind[1:]}-{one.id}"


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _time(moment: datetime) -> str:
    with suppress(OverflowError):  # the ends of the calendar are told as they are
        moment = moment.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _text(value: str) -> str:
    """Whatever XML 1.0 cannot hold becomes U+FFFD: names come from documents."""
    return _NOT_XML.sub("\ufffd", value)
