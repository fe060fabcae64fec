"""Path validation by RFC 5280 §6.1 where suites do not reach: all forms of names, and work that is bounded."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from asn1crypto import core, x509

from tests.unit.verify.forge import WITHOUT_REVOCATION, Extension, Forged, access, forge, judged, told
from verify import policy
from verify.path_inputs import PathInputs, read, table

pytestmark = pytest.mark.judging

ROOT = forge("Root", ca=True)
ALTERNATIVE, CONSTRAINTS = "2.5.29.17", "2.5.29.30"


def name(form: str, value: object) -> x509.GeneralName:
    """A general name whose content is octet for octet what is given, for those forms that are octets."""
    if form == "directory_name":
        return x509.GeneralName(form, x509.Name.build({"organization_name": str(value)}))
    made = x509.GeneralName(form, "1.1.1.1" if form == "ip_address" else "x.test")
    octets = value if isinstance(value, bytes) else str(value).encode()
    return x509.GeneralName.load(bytes((made.chosen.dump()[0], len(octets))) + octets)


def constrained(*, permitted: tuple[object, ...] = (), excluded: tuple[object, ...] = ()) -> Extension:
    subtrees = {
        kind: [{"base": base} for base in bases]
        for kind, bases in (("permitted_subtrees", permitted), ("excluded_subtrees", excluded))
        if bases
    }
    return CONSTRAINTS, True, x509.NameConstraints(subtrees).dump()


def weighed(extension: Extension, *names: x509.GeneralName) -> str:
    """What is said of a leaf with these alternative names below a CA with these constraints."""
    authority = forge("CA", issuer=ROOT, ca=True, extensions=[extension])
    leaf = forge("Leaf", issuer=authority, extensions=[(ALTERNATIVE, False, x509.GeneralNames(list(names)).dump())])
    return told(judged(leaf, authority, root=ROOT)).rpartition(" ")[2]


HOST, MAIL, PLACE, ADDRESS = "dns_name", "rfc822_name", "uniform_resource_identifier", "ip_address"
WITHIN = [
    (HOST, "vn.test", "vn.test", True),
    (HOST, "vn.test", "a.b.VN.test", True),
    (HOST, "vn.test", "evn.test", False),
    (HOST, "vn.test", "*.vn.test", True),
    (HOST, "a.vn.test", "*.vn.test", False),
    (MAIL, "vn.test", "a@vn.test", True),
    (MAIL, "vn.test", "a@b.vn.test", False),
    (MAIL, ".vn.test", "a@b.vn.test", True),
    (MAIL, ".vn.test", "a@vn.test", False),
    (MAIL, "a@vn.test", "a@VN.test", True),
    (MAIL, "a@vn.test", "A@vn.test", False),
    (PLACE, "vn.test", "http://vn.test/x", True),
    (PLACE, "vn.test", "http://a.vn.test/x", False),
    (PLACE, ".vn.test", "https://a.vn.test:8443/x", True),
    (ADDRESS, bytes((10, 1, 0, 0, 255, 255, 0, 0)), bytes((10, 1, 200, 3)), True),
    (ADDRESS, bytes((10, 1, 0, 0, 255, 255, 0, 0)), bytes((10, 2, 0, 1)), False),
    (ADDRESS, bytes((10, 1, 0, 0, 255, 255, 0, 0)), bytes(16), False),
    ("directory_name", "Đảng ủy xã", "đảng  ủy xã", True),
    ("directory_name", "Đảng ủy xã", "Đảng ủy huyện", False),
]


@pytest.mark.parametrize(("form", "base", "one", "inside"), WITHIN)
def test_permitted_and_excluded(form: str, base: object, one: object, inside: bool) -> None:
    """A name inside a permitted subtree passes, one outside does not; excluded is the contrary."""
    permitted = weighed(constrained(permitted=(name(form, base),)), name(form, one))
    excluded = weighed(constrained(excluded=(name(form, base),)), name(form, one))
    if form != "directory_name":  # there the subject itself would have to be permitted as well
        assert permitted == ("passed" if inside else "name-not-permitted")
    if not str(one).startswith("*."):
        assert excluded == ("name-excluded" if inside else "passed")


def test_wildcard_that_could_be_an_excluded_name() -> None:
    """`*.vn.test` may be used as `a.vn.test`, which its CA must not certify."""
    assert weighed(constrained(excluded=(name(HOST, "a.vn.test"),)), name(HOST, "*.vn.test")) == "name-excluded"
    assert weighed(constrained(excluded=(name(HOST, "a.b.vn.test"),)), name(HOST, "*.vn.test")) == "passed"


@pytest.mark.parametrize(
    ("form", "base"),
    [
        (HOST, ".vn.test"),
        (HOST, "*.vn.test"),
        (MAIL, "a@b@vn.test"),
        (MAIL, "@vn.test"),
        (PLACE, "http://vn.test/"),
        (ADDRESS, bytes(5)),
        (ADDRESS, bytes((10, 0, 0, 0, 255, 0, 255, 0))),
    ],
)
def test_constraints_that_mean_nothing(form: str, base: object) -> None:
    """A malformed constraint is not passed over."""
    assert weighed(constrained(permitted=(name(form, base),)), name(HOST, "vn.test")) == "name-constraint-malformed"


@pytest.mark.parametrize(
    ("form", "base", "one"),
    [
        (HOST, "vn.test", ".vn.test"),
        (HOST, "vn.test", "a..vn.test"),
        (MAIL, "vn.test", "a@b@vn.test"),
        (PLACE, "vn.test", "urn:x"),
        (PLACE, "vn.test", "http://10.0.0.1/"),
        (PLACE, "vn.test", "http://[::1"),
        (ADDRESS, bytes(8), bytes(3)),
        (HOST, "vn.test", b"\xff\xfe"),
    ],
)
def test_names_that_cannot_be_weighed(form: str, base: object, one: object) -> None:
    """Where a constraint speaks of names of this form, one that is malformed is refused."""
    assert weighed(constrained(permitted=(name(form, base),)), name(form, one)) == "name-malformed"


def test_form_that_nobody_can_compare() -> None:
    """A constraint on registered identifiers refuses whoever bears one, and nobody else."""
    extension = constrained(excluded=(x509.GeneralName("registered_id", "1.2.3"),))
    assert weighed(extension, x509.GeneralName("registered_id", "1.2.4")) == "name-form-registered-id"
    assert weighed(extension, name(HOST, "vn.test")) == "passed"


def test_empty_constraints() -> None:
    """An extension that constrains nothing is against RFC 5280 §4.2.1.10."""
    assert weighed((CONSTRAINTS, True, b"\x30\x00"), name(HOST, "vn.test")) == "name-constraints-empty"


class TestBounds:
    def test_thousands_of_names_and_constraints(self) -> None:
        """Names times constraints are counted before they are compared."""
        names = [name(HOST, f"a{number}.vn.test") for number in range(300)]
        start = time.process_time()
        extension = constrained(excluded=tuple(name(HOST, f"b{number}.vn.test") for number in range(300)))
        assert weighed(extension, *names) == "name-constraints-too-many"
        assert time.process_time() - start < 10

    def test_policies_that_multiply(self) -> None:
        """Each CA maps each of two policies to both: a tree would double at every step (RFC 9618)."""
        both = ("1.2.3.1", "1.2.3.2")
        named = x509.CertificatePolicies([{"policy_identifier": oid} for oid in both])
        pairs = [{"issuer_domain_policy": one, "subject_domain_policy": other} for one in both for other in both]
        extensions = [("2.5.29.32", False, named.dump()), ("2.5.29.33", False, x509.PolicyMappings(pairs).dump())]
        chain: list[Forged] = [ROOT]
        for number in range(8):
            chain.append(forge(f"CA {number}", issuer=chain[-1], ca=True, extensions=extensions))
        leaf = forge("Leaf", issuer=chain[-1], extensions=extensions[:1])
        asking = replace(WITHOUT_REVOCATION, paths=PathInputs(("1.2.3.1",), explicit_policy=True))
        start = time.process_time()
        assert told(judged(leaf, *chain[1:], root=ROOT, policy=asking)) == "passed"
        assert time.process_time() - start < 10

    def test_too_many_policies(self) -> None:
        """A certificate that names thousands is refused."""
        named = x509.CertificatePolicies([{"policy_identifier": f"1.2.3.{number}"} for number in range(1000)])
        leaf = forge("Leaf", issuer=ROOT, extensions=[("2.5.29.32", False, named.dump())])
        assert told(judged(leaf, root=ROOT)).endswith("certificate-policies")

    def test_cas_that_certify_each_other_in_all_ways(self) -> None:
        """Nine levels, five certificates for each CA: two million paths, none of which leads to an anchor."""
        levels = [[forge("Top", ca=True)]]
        for level in range(1, 10):
            key = forge("Key").key
            levels.append(
                [
                    forge(
                        f"CA {level}", issuer=levels[-1][0], ca=True, key=key, extensions=[access(f"http://x/{copy}")]
                    )
                    for copy in range(5)
                ]
            )
        leaf = forge("Leaf", issuer=levels[-1][0])
        pool = [one for level in levels[1:] for one in level]
        start = time.process_time()
        assert told(judged(leaf, *pool, root=ROOT)).startswith("NO_CERTIFICATE_CHAIN_FOUND")
        assert time.process_time() - start < 10


class TestInputs:
    def test_written_and_read(self) -> None:
        """The inputs of a policy file, as a table and back."""
        inputs = PathInputs(("1.2.3", "2.16.840"), explicit_policy=True, inhibit_any=True, intermediates=3)
        assert read(table(inputs)) == inputs

    def test_a_caller_asks_for_more_never_for_less(self) -> None:
        """Switches are only ever turned on; the policies that are named take the place of the file's."""
        strict = PathInputs(("1.2.3",), explicit_policy=True, inhibit_mapping=True, intermediates=2)
        assert strict.asked_further(PathInputs()) == strict
        assert strict.asked_further(PathInputs(("1.2.4",), inhibit_any=True)) == PathInputs(
            ("1.2.4",), explicit_policy=True, inhibit_mapping=True, inhibit_any=True, intermediates=2
        )

    @pytest.mark.parametrize("oid", ["", "1", "1.", "3.1", "1.2.x", "1.02", "anyPolicy"])
    def test_policies_are_named_by_identifier(self, oid: str) -> None:
        with pytest.raises(ValueError, match="identifier"):
            PathInputs((oid,))

    def test_policy_that_is_asked_for_more_is_evidence_of_it(self) -> None:
        """Its text holds what was asked, and gives the same policy again; the same inputs leave it as it is."""
        default = policy.load("default")
        asking = default.asking(PathInputs(("1.2.3",), explicit_policy=True))
        assert asking.paths == PathInputs(("1.2.3",), explicit_policy=True)
        assert policy.parse(asking.text) == asking
        assert asking.shipped == asking.text
        assert default.asking(PathInputs()) is default

    def test_length_of_a_path(self) -> None:
        """How many CAs may stand in between; one that certifies its own new key does not count."""
        first = forge("CA", issuer=ROOT, ca=True)
        second = forge("CA", issuer=first, ca=True)
        third = forge("Sub", issuer=second, ca=True)
        one = replace(WITHOUT_REVOCATION, paths=PathInputs(intermediates=1))
        assert told(judged(forge("Leaf", issuer=second), first, second, root=ROOT, policy=one)) == "passed"
        below = forge("Leaf", issuer=third)
        assert told(judged(below, first, second, third, root=ROOT, policy=one)).endswith("path-too-long")


def test_octets_of_another_kind_in_an_extension() -> None:
    """What should be a list of names and is a number ends in a finding."""
    number = core.Sequence(contents=core.Integer(5).dump()).dump()
    below_constraints = forge("CA", issuer=ROOT, ca=True, extensions=[constrained(excluded=(name(HOST, "x.test"),))])
    for issuer, identifier in ((below_constraints, ALTERNATIVE), (ROOT, "2.5.29.32")):
        leaf = forge("Leaf", issuer=issuer, extensions=[(identifier, True, number)])
        assert told(judged(leaf, below_constraints, root=ROOT)).startswith(
            "CERTIFICATE_CHAIN_GENERAL_FAILURE unreadable"
        )
