"""Who may sign for an organisation, and in which form: one question, its rules numbered.

1. The organisation exists at the time, and the person is known then.
2. The form fits the kind: TM. only where the body decides together.
3. A post of one's own in the organisation is enough where the form names its rank: a chief in their own office; chief and
   deputies TM.; deputies KT.
4. Else a delegation of that form, for that organisation, in force at the time:
   a. a form that must end (TUQ.) has an end;
   b. who gave it is a chief of the organisation at the time: a delegation ends with the office of its giver;
   c. who received it holds a post in the organisation or below it (Decree 30/2020/NĐ-CP, article 13: the head of a unit
      of the organisation, not somebody else's).
5. Nobody passes on what was passed to them: only a chief's delegation counts (4b).
"""

from __future__ import annotations

import sqlalchemy as sa

from api.directory import rows, rules
from api.directory.model import Authority, Code, Delegation, Form, OrganisationId, PersonId, Post, Refusal
from api.directory.tree import Tree


class _Refused(Exception):
    """A rule is not met."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code: Code = code


def may_sign_for(
    connection: sa.Connection, tree: Tree, *, person: str, organisation: str, form: Form, at: int
) -> Authority | Refusal:
    """By which post or delegation the person signs, or why not."""
    try:
        return _authority(connection, tree, PersonId(person), OrganisationId(organisation), form=form, at=at)
    except _Refused as refused:
        return Refusal(refused.code)


def _authority(
    connection: sa.Connection, tree: Tree, person: PersonId, organisation: OrganisationId, *, form: Form, at: int
) -> Authority:
    # 1
    body = tree.at(organisation, at)
    if body is None:
        raise _Refused("organisation-not-in-force")
    if not rows.in_force(connection, "person", at, id=person):
        raise _Refused("person-not-known")
    # 2
    rule = rules.form_rule(form)
    if rule.collective and not rules.is_collective(body.kind):
        raise _Refused("form-not-for-kind")
    # 3
    posts = posts_of(connection, person, at)
    for post in posts:
        if post.organisation == organisation and post.rank in rule.ranks:
            return Authority(person, organisation, form, post=post)
    if not rule.delegated:
        raise _Refused("no-chief-post")
    # 4
    given = [one for one in delegations_to(connection, person, at) if _is_of(one, organisation, form)]
    if not given:
        was_given = _was_given(connection, person, organisation, form)
        raise _Refused("delegation-over" if was_given else "no-deputy-post" if form == "KT" else "no-delegation")
    counting = [one for one in given if one.period.end is not None or not rule.ends]  # a
    if not counting:
        raise _Refused("no-delegation")
    of_chiefs = [one for one in counting if _is_chief(connection, one.giver, organisation, at)]  # b
    if not of_chiefs:
        raise _Refused("giver-not-in-office")
    inside = next((post for post in posts if tree.inside(post.organisation, organisation, at)), None)  # c
    if rule.within and inside is None:
        raise _Refused("receiver-without-post")
    return Authority(person, organisation, form, post=inside, delegation=of_chiefs[0])


def posts_of(connection: sa.Connection, person: str, at: int) -> tuple[Post, ...]:
    """The person's posts, the highest first."""
    found = [rows.post(row) for row in rows.in_force(connection, "post", at, person=person)]
    return tuple(sorted(found, key=lambda post: ("chief", "deputy", "member").index(post.rank)))


def delegations_to(connection: sa.Connection, person: str, at: int) -> tuple[Delegation, ...]:
    """What the person was given, the newest first."""
    found = [rows.delegation(row) for row in rows.in_force(connection, "delegation", at, receiver=person)]
    return tuple(sorted(found, key=lambda one: -one.period.start))


def _is_of(one: Delegation, organisation: str, form: Form) -> bool:
    return one.organisation == organisation and one.form == form


def _is_chief(connection: sa.Connection, person: str, organisation: str, at: int) -> bool:
    posts = rows.in_force(connection, "post", at, person=person, organisation=organisation, rank="chief")
    return bool(posts)


def _was_given(connection: sa.Connection, person: str, organisation: str, form: Form) -> bool:
    """Whether there is a delegation of the kind at another time."""
    table = rows.TABLES["delegation"]
    wanted = (table.c.receiver == person, table.c.organisation == organisation, table.c.form == form)
    return any(True for _ in rows.current(connection, "delegation", *wanted))
