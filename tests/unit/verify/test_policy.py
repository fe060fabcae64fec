"""Policies as data: what a file may say, what it says wrong, and what one policy takes from another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from verify import algorithms, policy
from verify.errors import PolicyUnusable
from verify.policy import Unlisted, reading

pytestmark = pytest.mark.judging

OURS = 'extends = "default"\n'


def ours(text: str) -> policy.Policy:
    return policy.parse(OURS + text, name="ours")


class TestShipped:
    @pytest.mark.parametrize("name", policy.names())
    def test_text_is_the_whole_policy(self, name: str) -> None:
        """The text of a policy gives the same policy again, without the file it extends: evidence for years later."""
        one = policy.load(name)
        assert policy.parse(one.text, find=_nothing) == one

    @pytest.mark.parametrize("name", policy.names())
    def test_said_in_both_languages(self, name: str) -> None:
        """Every policy that is shipped has a title in Vietnamese and in English."""
        assert set(policy.load(name).title) == {"vi", "en"}
        assert policy.load(name).name == name

    def test_fresh_differs_in_one_thing(self) -> None:
        """`fresh` is the default but for the age of revocation data."""
        default, fresh = policy.load("default"), policy.load("fresh")
        changed = {
            key
            for key in vars(default)
            if getattr(default, key) != getattr(fresh, key) and key not in ("text", "title")
        }
        assert changed == {"name", "fresh_evidence"}

    def test_vietnam_takes_what_annex_i_names(self) -> None:
        """RSASSA-PSS from 2048 bits, ECDSA from 256, SHA-2 from 256 and SHA-3; nothing else but PKCS#1 v1.5, pointed out."""
        vietnam = policy.load("vietnam")
        assert set(vietnam.digests) == {"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"}
        assert set(vietnam.signatures) == {"rsassa_pss", "ecdsa", "rsassa_pkcs1v15"}
        assert vietnam.discouraged == ("rsassa_pkcs1v15",)
        assert vietnam.outcomes["claimed_time_outside_certificate"] == "INDETERMINATE"

    def test_knows_every_algorithm_the_verifier_knows(self) -> None:
        """A policy can speak of each digest and scheme that can be verified."""
        assert set(reading.DIGESTS) == set(algorithms.DIGESTS)
        assert set(algorithms.Scheme.__args__) == set(reading.SCHEMES)  # type: ignore[attr-defined]  # a Literal has them


class TestDates:
    def test_each_size_has_an_end_of_its_own(self) -> None:
        """RSA-2048 may end while RSA-3072 goes on; a size between belongs to the smaller one."""
        rule = ours('[signatures]\nrsassa_pkcs1v15 = { 2048 = "2028-12-31", 3072 = "" }\n')
        end = datetime(2028, 12, 31, 23, 59, 59, 999999, UTC)
        assert rule.signature_until("rsassa_pkcs1v15", bits=2048) == end
        assert rule.signature_until("rsassa_pkcs1v15", bits=3071) == end
        assert rule.signature_until("rsassa_pkcs1v15", bits=3072) is None
        with pytest.raises(Unlisted):
            rule.signature_until("rsassa_pkcs1v15", bits=2047)

    def test_refused_takes_back_what_is_inherited(self) -> None:
        """An own policy can refuse what the default accepts."""
        rule = ours('[digests]\nsha256 = "refused"\n[signatures]\necdsa = "refused"\n')
        with pytest.raises(Unlisted):
            rule.digest_until("sha256")
        with pytest.raises(Unlisted):
            rule.signature_until("ecdsa", bits=521)

    def test_a_key_is_replaced_whole(self) -> None:
        """What is given for a scheme takes the place of all that the other policy said of it."""
        assert ours('[signatures]\necdsa = { 384 = "" }\n').signatures["ecdsa"] == ((384, None),)


class TestRefuses:
    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("freshness = 3\n", "unknown key freshness"),
            ("[revocation]\nsinger = 'skip'\n", "unknown key revocation.singer"),
            ("[digests]\nsha265 = ''\n", "unknown key digests.sha265"),
            ("[revocation]\nsigner = 'sometimes'\n", "revocation.signer: one of require, check, skip"),
            ("[revocation]\nmax_age_hours = -1\n", "revocation.max_age_hours"),
            ("[revocation]\nmax_age_hours = true\n", "revocation.max_age_hours"),
            ("[certificates]\nca_may_sign = 'no'\n", "certificates.ca_may_sign: true or false"),
            ("[certificates]\nfields = ['subject.shoe_size']\n", "certificates.fields"),
            ("[signatures]\necdsa = { 256 = '', 384 = '2030-01-01' }\n", "signatures.ecdsa: a longer key ends before"),
            ("[signatures]\necdsa = { bits = 256, until = '' }\n", "signatures.ecdsa.bits"),
            ("[signatures]\necdsa = {}\n", "signatures.ecdsa"),
            ("[digests]\nsha1 = '31.12.2030'\n", "digests.sha1: a day"),
            ("[digests]\nsha1 = 2030-12-31\n", "digests.sha1: a day"),
            ("[outcomes]\nchanges_forbidden = 'IGNORED'\n", "outcomes.changes_forbidden: one of TOTAL_FAILED"),
            ("[outcomes]\nchanges_suspicious = 'IGNORED'\n", "outcomes.changes_suspicious"),
            ("[paths]\ninitial_policies = ['any']\n", "paths.initial_policies"),
            ("title = { vi = 'một' }\n", "title"),
            ('title = "two\\u0007lines"\n', "title"),
            ("digests = 3\n", "digests: a section"),
            ("name = 'theirs'\n", "name: the file is called ours"),
            ("[digests\n", "this is no TOML"),
            ("x = " + "[" * 3000 + "]" * 3000 + "\n", "this is no TOML"),
        ],
    )
    def test_names_the_key_that_is_wrong(self, text: str, named: str) -> None:
        """A slip of the pen is refused, and the message says where it is."""
        with pytest.raises(PolicyUnusable, match=f"^{named.replace('[', '.')}"):
            ours(text)

    @pytest.mark.parametrize(
        "text", ["", "name = 'empty'\n", "[digests]\nsha256 = ''\n[signatures]\necdsa = { 256 = '' }\n"]
    )
    def test_nothing_is_no_policy(self, text: str) -> None:
        """An empty file asks for nothing, and is refused; so is one that leaves anything open."""
        with pytest.raises(PolicyUnusable, match="is missing"):
            policy.parse(text, name="empty")

    @pytest.mark.parametrize("section", ["digests", "signatures"])
    def test_a_policy_that_accepts_no_algorithm(self, section: str) -> None:
        """Whoever refuses every algorithm would pass nothing: a mistake, said at once."""
        refused = "".join(f"{name} = 'refused'\n" for name in getattr(policy.load("default"), section))
        with pytest.raises(PolicyUnusable, match=f"{section}: a policy without algorithms"):
            ours(f"[{section}]\n{refused}")

    def test_a_circle(self) -> None:
        """Policies that extend each other end in a refusal."""
        with pytest.raises(PolicyUnusable, match="circle"):
            policy.parse("extends = 'a'", name="a", find=lambda _: "extends = 'a'")

    def test_an_unknown_base(self) -> None:
        """A policy that extends one that is not there is refused, with the names there are."""
        with pytest.raises(PolicyUnusable, match=r"no policy is called other.*default"):
            policy.parse("extends = 'other'", name="a")


def test_hash_follows_what_is_asked() -> None:
    """Comments and order do not change the hash that reports show; every rule does."""
    one = ours("[digests]\nsha1 = 'refused'\nsha224 = 'refused'\n")
    same = ours("# more words\n[digests]\nsha224 = 'refused'   # first\nsha1 = 'refused'\n")
    other = ours("[digests]\nsha1 = 'refused'\n")
    assert one.sha256 == same.sha256
    assert one.sha256 != other.sha256


def _nothing(name: str) -> str:
    raise AssertionError(name)
