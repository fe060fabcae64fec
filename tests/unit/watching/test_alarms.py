"""Alarms: each thing that goes wrong is found, told once, and over when it is over; strangers learn no details."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from string import Formatter

import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook

from api import locale
from api.errors import DatabaseUnavailable, LedgerBroken
from api.store import callers
from api.watching import alarms, machine, notes, telling
from api.watching.alarm import Alarm
from hsm.errors import KeeperNotAvailable
from tests.http_support import House, house
from verify.fetcher import FetchFailed, FetchRequest

pytestmark = pytest.mark.appliance

QUIET = {"alarms": {"disk_bytes": 0, "disk_inodes": 0, "certificate_days": 0}}


@pytest.fixture
def quiet(tmp_path: Path) -> House:
    """A house in which nothing is the matter: a clock that is right, trust that holds."""
    return settled(house(tmp_path, **QUIET))


def settled(found: House) -> House:
    found.services.watch.clock.synchronised = lambda: True
    (found.services.settings.trust / "root.pem").write_bytes(_root())
    return found


def _root() -> bytes:
    from tests.pki import Authority

    return Authority.root().pem


def codes(found: House) -> dict[str, Alarm]:
    return {one.code: one for one in found.services.watch.look(found.services, remembered=0.0)}


def test_a_house_in_order_has_no_alarm(quiet: House):
    """Silence means something."""
    assert {} == codes(quiet)


def test_a_token_that_is_away_or_locked_is_critical(quiet: House):
    """With the module's name, and over when it is back."""
    quiet.token.state = "locked"
    assert "soft" == codes(quiet)["token-locked"].subject
    quiet.token.state = "operational"
    quiet.token.away = True
    assert codes(quiet)["token-away"].is_critical
    quiet.token.away = False
    assert {} == codes(quiet)


def test_certificates_that_end_are_told_beforehand_and_after(tmp_path: Path):
    """A warning within the days that are set, critical in the last tenth, and when it is over."""
    found = settled(house(tmp_path, alarms={**QUIET["alarms"], "certificate_days": 30}))
    end = min(_end(key.certificate) for key in found.services.keys.all())
    for days, code, severity in ((20, "certificate-expiring", "warning"), (2, "certificate-expiring", "critical"), (-1, "certificate-expired", "critical")):  # fmt: skip
        services = replace(found.services, clock=lambda days=days: end - timedelta(days=days))
        told = {one.code: one for one in services.watch.look(services, remembered=0.0)}
        assert severity == told[code].severity, days
        assert days == told[code].facts["days"] or days < 0


def _end(der: bytes | None):
    from cryptography import x509

    return x509.load_der_x509_certificate(der or b"").not_valid_after_utc


def test_a_timestamp_authority_that_fails_three_times_in_a_row_is_told_and_forgiven(quiet: House):
    """Counted where fetches are made, by all processes together; one answer ends it."""
    url = "http://tsa.test/"
    for _ in range(2):
        with pytest.raises(FetchFailed):
            quiet.services.fetcher.fetch(FetchRequest("timestamp", url, b"q"))
    assert {} == codes(quiet)
    with pytest.raises(FetchFailed):
        quiet.services.fetcher.fetch(FetchRequest("timestamp", url, b"q"))
    assert (url, "timeout") == (
        codes(quiet)["timestamps-failing"].subject,
        codes(quiet)["timestamps-failing"].facts["reason"],
    )
    quiet.outside.answer = lambda _: b"answer"
    quiet.services.fetcher.fetch(FetchRequest("timestamp", url, b"q"))
    assert {} == codes(quiet)


def test_a_queue_that_grows_ages_or_gives_up_is_told(tmp_path: Path):
    """Three alarms, each by its own threshold."""
    found = settled(house(tmp_path, alarms={**QUIET["alarms"], "queue_length": 2, "queue_age": 60}))
    jobs = found.services.jobs
    jobs.enqueue("a", {}, due=time.time() - 100)
    assert {"queue-old"} == set(codes(found))
    jobs.enqueue("a", {})
    assert {"queue-old", "queue-long"} == set(codes(found))
    found.services.database.write(lambda c: c.execute(sa.text("UPDATE job SET state = 'failed'")))
    assert {"jobs-failed"} == set(codes(found))


def test_a_clock_that_was_set_is_noticed_against_the_one_that_nobody_can_set(quiet: House):
    """An hour back between two looks; and slewing is no jump."""
    now = {"wall": 1000.0, "mono": 50.0}
    watch = machine.ClockWatch(wall=lambda: now["wall"], monotonic=lambda: now["mono"])
    assert watch.jump(2.0) is None
    now["wall"] += 10.5
    now["mono"] += 10.0
    assert watch.jump(2.0) is None
    now["wall"] -= 3600
    assert -3600 == pytest.approx(watch.jump(2.0), abs=1)
    now["mono"] += machine.TOLD_FOR + 1
    now["wall"] += machine.TOLD_FOR + 1
    assert watch.jump(2.0) is None


def test_a_clock_behind_the_ledger_is_critical(quiet: House):
    """A clock set back an hour is told after a restart too: the ledger remembers."""
    quiet.services.ledger.append("REFUSED", {"caller": "c", "code": "x"})
    back = quiet.services.clock() - timedelta(hours=1)
    services = replace(quiet.services, clock=lambda: back)
    told = {one.code: one for one in services.watch.look(services, remembered=0.0)}
    assert told["clock-behind"].is_critical
    assert 3590 < int(told["clock-behind"].facts["seconds"]) < 3700


def test_disk_thresholds_count_bytes_and_inodes_of_each_file_system_once(tmp_path: Path):
    """Home and blobs on one disk are one alarm."""
    found = settled(house(tmp_path, alarms={"disk_bytes": 1 << 62, "disk_inodes": 1 << 40, "certificate_days": 0}))
    told = list(found.services.watch.look(found.services, remembered=0.0))
    assert ["disk-full", "inodes-low"] == [one.code for one in told]
    assert {"home"} == {one.subject for one in told}


def test_a_ledger_that_does_not_add_up_stays_an_alarm_until_somebody_settled_it(quiet: House):
    """It is noted once for each line, and survives a restart."""
    settings = quiet.services.settings
    assert notes.record_ledger_alarm(settings, LedgerBroken("cut", line=7), at=1.0)
    assert not notes.record_ledger_alarm(settings, LedgerBroken("cut", line=7), at=2.0)
    assert 7 == codes(quiet)["ledger-broken"].facts["line"]
    (settings.log / notes.LEDGER_ALARMS).unlink()
    assert {} == codes(quiet)


def test_api_keys_that_end_soon_or_ended_are_told_by_the_callers_id(quiet: House):
    """Never by the key, of which only a digest exists."""
    make = lambda name, at: quiet.services.database.write(  # noqa: E731
        callers.create, name=name, role="client", keys=(), expires_at=at
    )
    make("soon", time.time() + 86_400)
    assert "api-key-expiring" in codes(quiet)


def test_a_backup_is_asked_for_where_that_is_set(tmp_path: Path):
    """None at all, one in time, one too old."""
    found = settled(house(tmp_path, alarms={**QUIET["alarms"], "backup_hours": 24}))
    assert {"backup-missing"} == set(codes(found))
    notes.backup_made(found.services.settings, at=time.time())
    assert {} == codes(found)
    notes.backup_made(found.services.settings, at=time.time() - 25 * 3600)
    assert 25 == codes(found)["backup-old"].facts["hours"]


def test_a_database_that_went_away_is_one_alarm_and_not_one_for_each_check(quiet: House):
    """What cannot be looked at says so, and does not keep the rest from being looked at."""

    def gone(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    quiet.services.database.read = gone  # type: ignore[method-assign]
    quiet.token.away = True
    assert {"database-away", "token-away"} == set(codes(quiet))


def test_an_alarm_keeps_its_beginning_and_is_told_when_it_comes_and_goes(
    quiet: House, caplog: pytest.LogCaptureFixture
):
    """One line for each change, not for each look; `since` is the first one's time, also after a restart."""
    with caplog.at_level("INFO", logger="kyso"):
        quiet.token.away = True
        telling.tell(quiet.services)
        began = codes(quiet)["token-away"].since
        telling.tell(quiet.services)
        assert began == codes(quiet)["token-away"].since
        quiet.token.away = False
        telling.tell(quiet.services)
    lines = [record.message for record in caplog.records if record.message.startswith("alarm ")]
    assert ["alarm raised", "alarm cleared"] == lines


def test_a_webhook_gets_each_change_once_signed_and_what_failed_is_sent_again(tmp_path: Path):
    """Standard Webhooks: its own library verifies what arrives; ids stay the same when it is repeated."""
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    (tmp_path / "hook").write_text(secret)
    (tmp_path / "hook").chmod(0o600)
    chosen = {**QUIET["alarms"], "webhook": "http://hook.test/kyso", "webhook_secret_file": "hook"}
    found = settled(house(tmp_path, alarms=chosen))
    taken: list[tuple[bytes, dict[str, str]]] = []
    down = True

    def post(url: str, body: bytes, headers) -> bytes:
        if down:
            raise FetchFailed("no answer", url=url)
        taken.append((body, dict(headers)))
        return b""

    services = replace(found.services, post=post)
    found.token.away = True
    telling.tell(services)
    waiting = notes.book(services.settings).messages
    assert 1 == len(waiting)
    assert secret.removeprefix("whsec_") not in (services.settings.log / notes.ALARMS).read_text()
    down = False
    telling.tell(services)
    telling.tell(services)
    ((body, headers),) = taken
    assert waiting[0].id == headers["webhook-id"]
    assert "alarm.raised" == Webhook(secret).verify(body, headers)["type"]
    assert "token-away" == json.loads(body)["data"]["code"]
    with pytest.raises(Exception, match="signature"):
        Webhook(secret).verify(body.replace(b"token-away", b"token-ok!!"), headers)


def test_who_may_act_sees_alarms_and_strangers_count_them(quiet: House):
    """Readiness tells how many; names, modules and what to do are for roles that see the queue."""
    quiet.token.away = True
    assert 401 == quiet.ask("GET", "/v1/alarms", name=None).status_code
    assert 403 == quiet.ask("GET", "/v1/alarms", name="client").status_code
    (told,) = quiet.ask("GET", "/v1/alarms", name="operator").json()["alarms"]
    assert ("token-away", "critical") == (told["code"], told["severity"])
    assert told["what"]["vi"] != told["what"]["en"]


def test_metrics_name_keys_and_hosts_only_to_those_who_see_the_queue(quiet: House):
    """Prometheus brings an API key for them; without, there are counts."""
    token = quiet.services.keys.tokens["soft"]
    with pytest.raises(AttributeError):
        token.sign(key="seal", mechanism="rsassa_pkcs1v15_sha256", tbs=b"", permit=None)
    strangers = quiet.ask("GET", "/metrics", name=None).text
    assert 403 == quiet.ask("GET", "/metrics", name="client").status_code
    operators = quiet.ask("GET", "/metrics", name="operator").text
    assert 'kyso_key_uses_total{key="seal",module="soft",outcome="internal-error"} 1.0' in operators
    assert 'kyso_token_state{module="soft",state="operational"} 1.0' in operators
    assert "kyso_ledger_size" in strangers
    assert "seal" not in strangers
    assert "soft" not in strangers


def test_every_alarm_has_words_in_both_languages_with_the_same_facts():
    """Whoever reads it learns what is the matter and what to do."""
    tables = [locale.words(language)["alarms"] for language in locale.LANGUAGES]
    assert tables[0].keys() == tables[1].keys()
    sources = [Path(module.__file__ or "").read_text("utf-8") for module in (machine, _checks())]
    for code, entry in tables[0].items():
        kinds = ("-expired", "-expiring")
        assert any(f'"{code}"' in text for text in sources) or code.endswith(kinds), code
        for part in ("what", "do"):
            fields = [{name for _, name, _, _ in Formatter().parse(table[code][part]) if name} for table in tables]
            assert fields[0] == fields[1], code
            assert len(entry[part]) > 10


def _checks():
    from api.watching import checks

    return checks


def test_a_look_is_repeated_for_a_moment_so_that_asking_costs_no_token_anything(quiet: House):
    """Whoever may ask for readiness should not thereby keep a card busy."""
    asked = []
    status = quiet.token.status
    quiet.token.status = lambda: (asked.append(1), status())[1]  # type: ignore[method-assign]
    for _ in range(5):
        alarms.current(quiet.services)
    assert len(asked) <= 2


def test_an_unexpected_error_of_a_keeper_is_an_alarm(quiet: House):
    """KeeperNotAvailable is caught where tokens are asked."""

    def away() -> None:
        raise KeeperNotAvailable

    quiet.token.status = away  # type: ignore[method-assign]
    assert "token-away" in codes(quiet)
