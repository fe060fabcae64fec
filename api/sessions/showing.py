"""A session as its page and its system see it: one JSON value, made from rows, keys and the directory."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from api import locale
from api.services import Services
from api.sessions import colleagues, ending, geometry, people, store
from api.sessions.model import Session, SessionDocument
from api.sessions.people import Choice
from api.store.callers import Caller

FINAL = ("signed", "returned", "reassigned", "failed")


def show(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """Raises SessionNotFound. The official's first look is on record."""
    session = ending.seen(services, caller, identity)
    if ending.acts(services, caller, session):
        session = ending.open_first(services, session)
    return as_json(services, session)


def as_json(services: Services, session: Session) -> dict[str, Any]:
    listed = services.database.read(store.listed, session.id)
    person, organisation = people.names(services, session)
    key = (session.consent or {}).get("key")
    offered = () if session.is_over else people.choices(services, session)
    return {
        "id": session.id,
        "state": session.state,
        "expires_at": ending.when(services, session.expires_at),
        "person": {"name": person},
        "organisation": {"name": organisation},
        "role": session.request["role"],
        "on_behalf": session.request["on_behalf"],
        "language": session.request["language"] or services.settings.server.language,
        "return_url": session.request["return_url"],
        "hotline": services.settings.sessions.hotline or None,
        "documents": [_with_words(services, session, document_json(session, one), key=key) for one in listed],
        "certificates": [_certificate(services, one) for one in offered],
        "consent": {"at": ending.when(services, session.consented_at)},
        "stopped": session.stopped,
        "superseded_by": session.superseded_by,
        "progress": progress(listed),
    }


def _with_words(services: Services, session: Session, told: dict[str, Any], *, key: str | None) -> dict[str, Any]:
    """By which name a colleague goes, and what a failure is called and what to do, for people."""
    outcome = told["outcome"]
    if "reassigned_to" in outcome:
        outcome["reassigned_name"] = colleagues.called(services, session, outcome["reassigned_to"])
    if told["state"] == "failed" and "code" in outcome:
        facts = {} if key is None else {"key": key}
        said = {
            language: locale.problem(outcome["code"], language=language, facts=facts) for language in locale.LANGUAGES
        }
        outcome["title"] = {language: one.title for language, one in said.items()}
        outcome["detail"] = {language: one.detail for language, one in said.items() if "…" not in one.detail}
    return told


def progress(listed: tuple[SessionDocument, ...]) -> dict[str, int]:
    return {"done": sum(1 for one in listed if one.state in FINAL), "total": len(listed)}


def document_json(session: Session, one: SessionDocument) -> dict[str, Any]:
    request, pages = one.request, one.survey["pages"]
    order = request["order"]
    step: dict[str, Any] = {"name": request["step"], "title": request.get("step_title")}
    step |= {"look": request["look"], "level": order["level"]}
    if session.request["on_behalf"]:
        step["on_behalf"] = session.request["on_behalf"]
    given = one.fill or {}
    return {
        "id": one.id,
        "name": one.name,
        "title": request["title"] or one.name,
        "format": one.format,
        "size": one.size,
        "sha256": one.sha256,
        "pages": [{"width": page["width"], "height": page["height"]} for page in pages],
        "step": step,
        "place": place(one),
        "fields_taken": [
            {"page": taken["page"], "box": _shown(one, taken["page"], taken["box"])} for taken in one.survey["taken"]
        ],
        "fill": [
            {
                **value,
                "value": given.get(value["name"], value["value"]),
                "editable": value["name"] in request["may_fill"],
            }
            for value in request["fill"]
        ],
        "warnings": one.survey["warnings"],
        "state": state_of(session, one),
        "outcome": outcome(session, one),
    }


def state_of(session: Session, one: SessionDocument) -> str:
    """`signing` while its signature is being made."""
    if one.state == "waiting" and one.round == session.round > 0 and session.state == "signing" and not session.stopped:
        return "signing"
    return one.state


def outcome(session: Session, one: SessionDocument) -> dict[str, Any]:
    found = {
        "state": state_of(session, one),
        "code": one.code,
        "reason": one.reason,
        "reassigned_to": one.reassigned_to,
        "support_code": one.support_code,
        "signature": one.signature if one.state == "signed" else None,
        "sha256": one.signed_sha256 if one.state == "signed" else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def place(one: SessionDocument) -> dict[str, Any] | None:
    """Where the signature will be seen: as laid down, or as the official put it; None where it is not seen yet."""
    fixed = laid_down(one)
    if fixed is not None:
        page, box = fixed
        return {"page": page, "box": _shown(one, page, box), "fixed": True}
    if one.place is not None:
        return {"page": one.place["page"], "box": one.place["box"], "fixed": False}
    return None


def laid_down(one: SessionDocument) -> tuple[int, list[float]] | None:
    """The page and box that the order lays down, in the page's own coordinates."""
    order = one.request["order"]
    if order.get("place"):
        return order["place"]["page"], list(order["place"]["box"])
    if one.survey.get("anchored"):
        return one.survey["anchored"]["page"], list(one.survey["anchored"]["box"])
    empty = [taken for taken in one.survey["taken"] if taken["signature"] and not taken["filled"]]
    named = order.get("field")
    fits = [taken for taken in empty if taken["name"] == named] if named else empty
    if len(fits) == 1:
        return fits[0]["page"], list(fits[0]["box"])
    return None


def _shown(one: SessionDocument, page: int, box: list[float]) -> list[float]:
    pages = one.survey["pages"]
    if not 1 <= page <= len(pages):
        return [round(side, 2) for side in box]
    leaf = pages[page - 1]
    left, bottom, right, top = box
    seen = geometry.shown((left, bottom, right, top), corner=tuple(leaf["corner"]), turn=leaf["turn"])
    return [round(side, 2) for side in seen]


def _certificate(services: Services, one: Choice) -> dict[str, Any]:
    """What people need to know a certificate by: names and dates, no serial numbers."""
    told: dict[str, Any] = {"ref": one.key.ref, "name": one.key.label, "title": None, "organisation": None}
    told |= {"not_before": None, "not_after": None, "usable": one.code is None, "holder": one.holder}
    told["activation"] = "webauthn" if one.holder == "person" else "none"
    if one.code is not None:
        told["code"] = one.code
    if one.key.certificate is not None:
        read = x509.load_der_x509_certificate(one.key.certificate)
        told["name"] = _said(read, NameOID.COMMON_NAME) or one.key.label
        told["title"] = _said(read, NameOID.TITLE)
        told["organisation"] = _said(read, NameOID.ORGANIZATION_NAME)
        told["not_before"] = ending.when(services, read.not_valid_before_utc.timestamp())
        told["not_after"] = ending.when(services, read.not_valid_after_utc.timestamp())
    return told


def _said(certificate: x509.Certificate, what: x509.ObjectIdentifier) -> str | None:
    found = certificate.subject.get_attributes_for_oid(what)
    return str(found[0].value) if found else None
