"""What the directory answers with: organisations, people, posts, delegations, owners of keys, and who may sign for whom.

Values only. Times are Unix seconds, the end excluded, None is open; ids are the directory's own and say nothing.

>>> Period(0, 10).holds(9), Period(0, 10).holds(10), Period(5, None).holds(4)
(True, False, False)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NewType, get_args

OrganisationId = NewType("OrganisationId", str)
PersonId = NewType("PersonId", str)

Rank = Literal["chief", "deputy", "member"]
RANKS: tuple[Rank, ...] = get_args(Rank)
Form = Literal["direct", "TM", "KT", "TL", "TUQ"]
FORMS: tuple[Form, ...] = get_args(Form)
"""In one's own office; TM. (thay mặt, on behalf of the collective), KT. (ký thay, a deputy for the chief), TL. (thừa lệnh, by
order of the chief), TUQ. (thừa ủy quyền, by the chief's written authorisation)."""


@dataclass(frozen=True)
class Period:
    """From when until before when."""

    start: int
    end: int | None

    def holds(self, at: int) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(frozen=True)
class Organisation:
    """One period of an organisation: a name, a kind, a place in the tree. `merged_into` is where it went at its end."""

    id: OrganisationId
    code: str
    name: str
    kind: str
    parent: OrganisationId | None
    period: Period
    merged_into: OrganisationId | None = None


@dataclass(frozen=True)
class Person:
    """`code` and `name` are None once the person was erased."""

    id: PersonId
    code: str | None
    name: str | None
    period: Period


@dataclass(frozen=True)
class Post:
    id: str
    person: PersonId
    organisation: OrganisationId
    title: str
    rank: Rank
    period: Period


@dataclass(frozen=True)
class Role:
    """What somebody does in an organisation beside a post: `official`, `clerk` (văn thư), …"""

    id: str
    person: PersonId
    organisation: OrganisationId
    role: str
    period: Period


@dataclass(frozen=True)
class Delegation:
    """`giver` lets `receiver` sign for `organisation`; `reference` is the paper it rests on."""

    id: str
    form: Form
    giver: PersonId
    receiver: PersonId
    organisation: OrganisationId
    reference: str
    period: Period


@dataclass(frozen=True)
class KeyOwner:
    """`organisation` answers for the key now. Where it differs from `given_to`, that one was merged into it: the key is
    then in its care, and its certificate still names the former organisation."""

    ref: str
    organisation: OrganisationId
    given_to: OrganisationId
    person: PersonId | None
    period: Period

    @property
    def is_inherited(self) -> bool:
        return self.organisation != self.given_to


How = Literal["certificate", "public-key", "subject"]


@dataclass(frozen=True)
class Holder:
    """Whose certificate it is: a person's, or an organisation's seal. `how` names the rule by which that is known:
    the certificate itself is on record, or one with its public key, or one of the same issuer and subject."""

    person: PersonId | None
    organisation: OrganisationId | None
    how: How
    period: Period


@dataclass(frozen=True)
class Authority:
    """Somebody may sign for an organisation in this form, by a post of their own or a delegation."""

    person: PersonId
    organisation: OrganisationId
    form: Form
    post: Post | None = None
    delegation: Delegation | None = None


Code = Literal[
    "organisation-not-in-force",
    "person-not-known",
    "form-not-for-kind",
    "no-chief-post",
    "no-deputy-post",
    "no-delegation",
    "delegation-over",
    "giver-not-in-office",
    "receiver-without-post",
]


@dataclass(frozen=True)
class Refusal:
    """Why somebody may not; `code` has a sentence in `api/locale`."""

    code: Code
