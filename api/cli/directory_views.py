"""What `kyso directory` shows: lines of lists, one organisation, one person, what an import did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

from api.cli import console
from api.cli.console import t
from api.directory import Directory, listing, rows, rules
from api.directory.importing import Imported
from api.directory.times import shown_end, shown_start
from api.errors import NotFound
from api.store.database import Database
from api.workflows.directory import outcome_json, totals

HEADERS: Mapping[str, tuple[str, str]] = {
    "id": ("id", "id"),
    "code": ("mã", "code"),
    "name": ("tên", "name"),
    "kind": ("loại", "kind"),
    "parent": ("cấp trên", "parent"),
    "above": ("cấp trên", "above"),
    "below": ("cấp dưới", "below"),
    "people": ("người", "people"),
    "keys": ("khóa", "keys"),
    "key": ("khóa", "key"),
    "organisation": ("tổ chức", "organisation"),
    "person": ("người", "person"),
    "posts": ("chức vụ", "posts"),
    "roles": ("vai trò", "roles"),
    "delegations": ("được giao ký", "delegations"),
    "from": ("từ", "from"),
    "to": ("đến", "to"),
}


def lines(
    what: str, directory: Directory, database: Database, *, moment: datetime, scope: frozenset[str] | None
) -> Iterator[dict[str, str | None]]:
    tree, at = directory.tree(), int(moment.timestamp())
    if what == "organisations":
        for one in tree.all(at):
            if scope is None or one.id in scope:
                above = tree.parent(one.id, at)
                code = (tree.latest(above, at) or one).code if above else None
                kind = rules.word("kinds", one.kind, console.language)
                yield {"id": one.id, "code": one.code, "name": one.name, "kind": kind, "parent": code}
    elif what == "people":
        among = None if scope is None else database.read(listing.members, scope, at)
        for person_ in database.read(listing.people, at, among=among, after="", limit=2**31):
            yield {"id": person_.id, "code": person_.code, "name": person_.name}
    else:
        for top in (one for one in tree.all(at) if scope is None or one.id in scope):
            for key in directory.keys_of(top.id, moment):
                yield {"key": key.ref, "organisation": top.code, "person": key.person}


def organisation(
    directory: Directory, database: Database, identity: str, moment: datetime, zone: tzinfo
) -> dict[str, object]:
    at = int(moment.timestamp())
    one = directory.tree().latest(identity, at)
    if one is None:
        raise NotFound
    posts = [rows.post(row) for row in database.read(rows.in_force, "post", at, organisation=identity)]
    return {
        "id": one.id,
        "code": one.code,
        "name": one.name,
        "kind": rules.word("kinds", one.kind, console.language),
        "from": shown_start(one.period.start, zone),
        "to": shown_end(one.period.end, zone),
        "above": [above.code for above in directory.ancestors(identity, moment)],
        "below": [below.code for below in directory.descendants(identity, moment)],
        "people": [{"title": post.title, "name": _name(directory, post.person, moment)} for post in posts],
        "keys": [key.ref for key in directory.keys_of(identity, moment)],
    }


def person(directory: Directory, identity: str, moment: datetime, zone: tzinfo) -> dict[str, object]:
    one = directory.person(identity, moment)
    if one is None:
        raise NotFound

    def where(organisation: str) -> str:
        found = directory.tree().latest(organisation, int(moment.timestamp()))
        return found.name if found else organisation

    return {
        "id": one.id,
        "code": one.code,
        "name": one.name,
        "posts": [
            {
                "title": post.title,
                "organisation": where(post.organisation),
                "from": shown_start(post.period.start, zone),
            }
            for post in directory.posts(identity, moment)
        ],
        "roles": [
            {"role": role.role, "organisation": where(role.organisation)} for role in directory.roles(identity, moment)
        ],
        "delegations": [
            {
                "form": given.form,
                "organisation": where(given.organisation),
                "reference": given.reference,
                "to": shown_end(given.period.end, zone),
            }
            for given in directory.delegations(identity, moment)
        ],
    }


def _name(directory: Directory, person_: str, moment: datetime) -> str:
    found = directory.person(person_, moment)
    return (found.name if found else None) or person_


def tell(done: Imported, *, form: str, zone: tzinfo, is_trial: bool, proposal: str | None = None) -> None:
    if form == "json":
        print(json.dumps({"dry_run": is_trial, **outcome_json(done, zone=zone, proposal=proposal)}))
        return
    shown = console.table(
        "",
        t("mới", "new"),
        t("thay đổi", "changed"),
        t("đính chính", "corrected"),
        t("kết thúc", "ended"),
        t("như cũ", "same"),
    )
    for one in done.counts:
        counts = (one.new, one.changed, one.corrected, one.ended, one.same)
        shown.add_row(t(*KINDS[one.kind]), *(str(count) if count else "·" for count in counts))
    console.out.print(shown)
    if done.held:
        waiting = "–" if proposal is None else f"kyso change approve {proposal}"
        console.err.print(
            t(
                f"{len(done.held)} dòng về khóa cần quản trị viên khác duyệt: {waiting}",
                f"{len(done.held)} lines about keys are for another administrator to approve: {waiting}",
            ),
            markup=False,
        )
    if is_trial:
        console.err.print(t("chạy thử: chưa ghi gì", "a trial: nothing was written"))
    elif not totals(done.counts):
        console.err.print(t("không có gì thay đổi", "nothing has changed"))
    else:
        console.err.print(
            t(
                f"đã ghi: thay đổi số {done.change}, dòng nhật ký {done.ledger}",
                f"written: change {done.change}, ledger line {done.ledger}",
            )
        )


KINDS: Mapping[str, tuple[str, str]] = {
    "organisations": ("tổ chức", "organisations"),
    "people": ("người", "people"),
    "subjects": ("tài khoản", "subjects"),
    "posts": ("chức vụ", "posts"),
    "roles": ("vai trò", "roles"),
    "delegations": ("giao ký", "delegations"),
    "certificates": ("chứng thư", "certificates"),
    "keys": ("khóa", "keys"),
}
