"""Basic path validation, RFC 5280 §6.1, without times and revocation, which are questions of their own.

Ours rather than a library's, so that the work is bounded (policies by RFC 9618, names by a budget), the constraints that
an anchor's certificate states count as well (RFC 5937), and each refusal names one certificate and one rule. Whether
algorithms are still good is no question here.

    validate(certificates, inputs=PathInputs())      # from the anchor down; raises PathInvalid
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asn1crypto import x509

from verify import algorithms
from verify.asn1 import is_present, raw, same_name
from verify.certificate_policies import PoliciesInvalid, PolicyGraph
from verify.name_constraints import NameConstraints, NamesRefused
from verify.path_inputs import PathInputs

PROCESSED = frozenset(
    {
        "2.5.29.15",  # key usage
        "2.5.29.17",  # subject alternative name
        "2.5.29.18",  # issuer alternative name
        "2.5.29.19",  # basic constraints
        "2.5.29.30",  # name constraints
        "2.5.29.31",  # CRL distribution points
        "2.5.29.32",  # certificate policies
        "2.5.29.33",  # policy mappings
        "2.5.29.36",  # policy constraints
        "2.5.29.37",  # extended key usage: `chain` weighs it by role
        "2.5.29.54",  # inhibit anyPolicy
        "2.5.29.56",  # no revocation available (RFC 9608)
        "1.3.6.1.5.5.7.1.3",  # qualified certificate statements
        "1.3.6.1.5.5.7.48.1.5",  # OCSP no check
    }
)
"""Extensions that may be critical (RFC 5280 §6.1.4 (o), §6.1.5 (f))."""


class PathInvalid(Exception):
    """A certificate of the path breaks a rule of RFC 5280; `rule` is a code."""

    def __init__(self, rule: str, certificate: x509.Certificate) -> None:
        super().__init__(rule)
        self.rule = rule
        self.certificate = certificate


@dataclass
class _State:
    """RFC 5280 §6.1.2: the state variables."""

    working_key: bytes
    working_name: x509.Name
    explicit_policy: int
    inhibit_any: int
    policy_mapping: int
    max_path_length: int
    graph: PolicyGraph = field(default_factory=PolicyGraph)
    names: NameConstraints = field(default_factory=NameConstraints)


def validate(certificates: Sequence[x509.Certificate], *, inputs: PathInputs) -> None:
    """RFC 5280 §6.1 over a path from its anchor down to the certificate in question. Raises PathInvalid."""
    anchor, *below = certificates
    current = anchor
    try:
        state = _initial(anchor, length=len(below), inputs=inputs)
        for number, current in enumerate(below, start=1):
            final = number == len(below)
            _process(current, state, final=final)
            if not final:
                _prepare_for_next(current, state)
        if below:
            _wrap_up(below[-1], state, inputs=inputs)
    except (PoliciesInvalid, NamesRefused) as error:
        raise PathInvalid(str(error), current) from error


def _initial(anchor: x509.Certificate, *, length: int, inputs: PathInputs) -> _State:
    """§6.1.1 and §6.1.2; what the anchor's certificate says of those below it counts (RFC 5937 §3)."""
    state = _State(
        working_key=raw(anchor.public_key),
        working_name=anchor.subject,
        explicit_policy=0 if inputs.explicit_policy else length + 1,
        inhibit_any=0 if inputs.inhibit_any else length + 1,
        policy_mapping=0 if inputs.inhibit_mapping else length + 1,
        max_path_length=inputs.intermediates,
    )
    if length and anchor["tbs_certificate"]["version"].native == "v3":
        _check_critical(anchor)
        _check_may_certify(anchor)
        state.names.add(anchor)
        _shorten(anchor, state)
    return state


def _process(certificate: x509.Certificate, state: _State, *, final: bool) -> None:
    """§6.1.3."""
    # (a)
    if not same_name(certificate.issuer, state.working_name):
        raise PathInvalid("issuer-name", certificate)
    if not algorithms.signed_with(certificate, key=state.working_key):
        raise PathInvalid("signature", certificate)
    # (b), (c)
    if final or not is_self_issued(certificate):
        state.names.check(certificate)
    # (d), (e)
    state.graph.descend(certificate, any_allowed=state.inhibit_any > 0 or (not final and is_self_issued(certificate)))
    # (f)
    if state.explicit_policy == 0 and state.graph.null:
        raise PathInvalid("no-acceptable-policy", certificate)


def _prepare_for_next(certificate: x509.Certificate, state: _State) -> None:
    """§6.1.4."""
    # (a), (b)
    state.graph.map(certificate, allowed=state.policy_mapping > 0)
    # (c) to (f)
    state.working_name = certificate.subject
    state.working_key = algorithms.with_parameters(raw(certificate.public_key), of=state.working_key)
    # (g)
    state.names.add(certificate)
    # (h)
    if not is_self_issued(certificate):
        state.explicit_policy = max(0, state.explicit_policy - 1)
        state.policy_mapping = max(0, state.policy_mapping - 1)
        state.inhibit_any = max(0, state.inhibit_any - 1)
    # (i)
    constraints = certificate.policy_constraints_value
    if constraints is not None:
        require, inhibit = constraints["require_explicit_policy"], constraints["inhibit_policy_mapping"]
        if not is_present(require) and not is_present(inhibit):
            raise PathInvalid("policy-constraints-empty", certificate)
        if is_present(require):
            state.explicit_policy = min(state.explicit_policy, require.native)
        if is_present(inhibit):
            state.policy_mapping = min(state.policy_mapping, inhibit.native)
    # (j)
    if certificate.inhibit_any_policy_value is not None:
        state.inhibit_any = min(state.inhibit_any, certificate.inhibit_any_policy_value.native)
    # (k), (n)
    _check_may_certify(certificate)
    # (l)
    if not is_self_issued(certificate):
        if state.max_path_length <= 0:
            raise PathInvalid("path-too-long", certificate)
        state.max_path_length -= 1
    # (m)
    _shorten(certificate, state)
    # (o)
    _check_critical(certificate)


def _wrap_up(certificate: x509.Certificate, state: _State, *, inputs: PathInputs) -> None:
    """§6.1.5."""
    # (a), (b)
    state.explicit_policy = max(0, state.explicit_policy - 1)
    constraints = certificate.policy_constraints_value
    if constraints is not None and constraints["require_explicit_policy"].native == 0:
        state.explicit_policy = 0
    # (f)
    _check_critical(certificate)
    # (g)
    if state.explicit_policy == 0 and not state.graph.acceptable(inputs.initial_policies):
        raise PathInvalid("no-acceptable-policy", certificate)


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether a CA speaks of itself, as when it changes its key; such a certificate adds no member to the path."""
    return same_name(certificate.subject, certificate.issuer)


def _check_may_certify(certificate: x509.Certificate) -> None:
    """§6.1.4 (k) and (n)."""
    constraints = certificate.basic_constraints_value
    if constraints is None or not constraints["ca"].native:
        raise PathInvalid("issuer-is-no-ca", certificate)
    usage = certificate.key_usage_value
    if usage is not None and "key_cert_sign" not in usage.native:
        raise PathInvalid("issuer-key-usage", certificate)


def _shorten(certificate: x509.Certificate, state: _State) -> None:
    constraints = certificate.basic_constraints_value
    length = constraints["path_len_constraint"].native if constraints is not None else None
    if length is not None:
        state.max_path_length = min(state.max_path_length, length)


def _check_critical(certificate: x509.Certificate) -> None:
    for extension in certificate["tbs_certificate"]["extensions"]:
        if extension["critical"].native and extension["extn_id"].dotted not in PROCESSED:
            raise PathInvalid("unknown-critical-extension", certificate)
