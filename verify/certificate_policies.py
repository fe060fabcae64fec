"""The certificate policies of a path: RFC 5280 §6.1, with the policy graph of RFC 9618 in place of the policy tree.

A tree of policies can double with every certificate; in the graph each policy stands once at each depth, so that hostile
mappings cost no more than they are long. Only policies: names, keys and constraints are `verify.rfc5280`'s.

    graph = PolicyGraph()
    graph.descend(certificate, any_allowed=True)      # step (d)
    graph.map(certificate, allowed=True)              # §6.1.4 (a), (b)
    graph.acceptable(("1.2.3",))                      # §6.1.5 (g)
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import x509

ANY = "2.5.29.32.0"
MOST_POLICIES = 256
"""Policies, and mappings, that one certificate may name."""


class PoliciesInvalid(Exception):
    """The policies or mappings of a certificate break RFC 5280; the message is a code."""


@dataclass
class _Node:
    """One policy at one depth. `expected`: what the next certificate may call it; `parents`: policies one depth above."""

    expected: frozenset[str]
    parents: frozenset[str]


class PolicyGraph:
    """Empty (`null`) once no policy is left; it never fills again."""

    def __init__(self) -> None:
        self._levels: list[dict[str, _Node]] = [{ANY: _Node(frozenset({ANY}), frozenset())}]

    @property
    def null(self) -> bool:
        return not self._levels[-1]

    def descend(self, certificate: x509.Certificate, *, any_allowed: bool) -> None:
        """RFC 5280 §6.1.3 (d) and (e), RFC 9618 §5.2."""
        named = _policies(certificate)
        above, here = self._levels[-1], dict[str, _Node]()
        by_expected: dict[str, set[str]] = {}
        for policy, node in above.items():
            for expected in node.expected:
                by_expected.setdefault(expected, set()).add(policy)
        for policy in named - {ANY}:
            parents = by_expected.get(policy) or ({ANY} if ANY in above else set())
            if parents:
                here[policy] = _Node(frozenset({policy}), frozenset(parents))
        if ANY in named and any_allowed:
            for policy, parents in by_expected.items():
                if policy not in here:
                    here[policy] = _Node(frozenset({policy}), frozenset(parents))
        self._levels.append(here)

    def map(self, certificate: x509.Certificate, *, allowed: bool) -> None:
        """RFC 5280 §6.1.4 (a) and (b). Raises PoliciesInvalid."""
        here = self._levels[-1]
        for domain, targets in _mappings(certificate).items():
            if not allowed:
                here.pop(domain, None)
            elif domain in here:
                here[domain] = _Node(targets, here[domain].parents)
            elif ANY in here:
                here[domain] = _Node(targets, frozenset({ANY}))

    def acceptable(self, initial: tuple[str, ...]) -> bool:
        """§6.1.5 (g): whether a policy of `initial` (none: any) is left, in the words of the anchor's domain."""
        if self.null:
            return False
        if not initial or ANY in initial:
            return True
        return bool(self._authorised() & {ANY, *initial})

    def _authorised(self) -> set[str]:
        """The authority-constrained policy set: what stood right below anyPolicy and leads to the last certificate."""
        found = {ANY} & set(self._levels[-1])
        reached = set(self._levels[-1])
        for level in reversed(self._levels[1:]):
            above: set[str] = set()
            for policy in reached & set(level):
                if policy != ANY and ANY in level[policy].parents:
                    found.add(policy)
                above |= level[policy].parents
            reached = above
        return found


def _policies(certificate: x509.Certificate) -> set[str]:
    value = certificate.certificate_policies_value
    if value is None:
        return set()
    named = [information["policy_identifier"].dotted for information in value]
    if not named or len(named) > MOST_POLICIES or len(named) != len(set(named)):
        raise PoliciesInvalid("certificate-policies")
    return set(named)


def _mappings(certificate: x509.Certificate) -> dict[str, frozenset[str]]:
    value = certificate.policy_mappings_value
    if value is None:
        return {}
    pairs = [(pair["issuer_domain_policy"].dotted, pair["subject_domain_policy"].dotted) for pair in value]
    if not pairs or len(pairs) > MOST_POLICIES or any(ANY in pair for pair in pairs):
        raise PoliciesInvalid("policy-mappings")
    return {domain: frozenset(target for source, target in pairs if source == domain) for domain, _ in pairs}
