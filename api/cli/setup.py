"""`kyso setup`: the first set-up, step by step, in plain words; or from an answers file, for scripts.

    kyso setup
    kyso setup --answers setup.toml --pin-file pin --so-pin-file so-pin --admin-key-file admin.key
    kyso setup --for kyso                            # keepers on their own: in their home, as their user
    kyso setup --keepers /var/lib/kyso-keepers       # then, while they run, the service: in its home, as its user

Interrupted at any point it goes on where it stopped: run it again. Questions are in `api.cli.setup_questions`, the steps
in `api.setting_up.steps`; here is what is shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api import children
from api import settings as kyso_settings
from api.appliance_state import SETUP_RECORD
from api.cli import appliance, console
from api.cli import setup_questions as questions
from api.cli.console import Lang, t
from api.sandbox.errors import SandboxNotAvailable
from api.services import Services
from api.setting_up import answers as answering
from api.setting_up import checks
from api.setting_up.answers import Answers
from api.setting_up.configuration import STORAGE_KEY, ConfigurationEdited
from api.setting_up.record import Record
from api.setting_up.steps import STEPS, Outcome, Setup, Step
from api.settings import Settings
from hsm.token import TokenAdmin


def register(app: typer.Typer) -> None:
    app.command("setup", help=t("thiết lập lần đầu, từng bước", "the first set-up, step by step"))(setup)


class _Tools:
    """The processes of this command."""

    def admin(self, settings: Settings, module: str) -> AbstractContextManager[TokenAdmin]:
        return appliance.admin(settings, module)

    def services(self, settings: Settings) -> AbstractContextManager[Services]:
        return appliance.services(settings)


def setup(
    *,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers", help=t("tệp trả lời sẵn (TOML, JSON); không hỏi", "answers (TOML, JSON); asks nothing")
        ),
    ] = None,
    pin_file: Annotated[Path | None, typer.Option("--pin-file", help=t("tệp chứa mã PIN", "file with the PIN"))] = None,
    so_pin_file: Annotated[
        Path | None, typer.Option("--so-pin-file", help=t("tệp chứa mã SO-PIN", "file with the SO PIN"))
    ] = None,
    admin_key_file: Annotated[
        Path | None,
        typer.Option("--admin-key-file", help=t("ghi khóa API vào tệp này", "write the API key to this file")),
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option(
            "--for", help=t("chỉ bộ giữ khóa, cho người dùng này", "the keepers alone, for this user's service")
        ),
    ] = None,
    keepers: Annotated[
        Path | None,
        typer.Option(
            "--keepers", readable=False, help=t("bộ giữ khóa riêng tại đây", "a service whose keepers have this home")
        ),
    ] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if peer is not None and keepers is not None:
        raise console.usage("--for, --keepers")
    home = Path(os.environ.get("KYSO_HOME") or "var").absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_stopped(home)
    record = Record(home / SETUP_RECORD)
    title = t("Thiết lập Kyso", "Setting up Kyso")
    console.out.print(f"[bold]{title}[/]  {home}")
    if record.finished:
        _say(
            t(
                "Đã thiết lập xong trước đây; các bước dưới đây chỉ xem lại.",
                "It is set up; the steps below only look again.",
            )
        )
    elif record.answers is not None:
        _say(t("Lần trước bị dừng giữa chừng; làm tiếp từ đó.", "It was interrupted; it goes on from there."))
    part = {"peers": [peer]} if peer is not None else answering.about(keepers.absolute()) if keepers is not None else {}
    chosen = _answers(record, answers, part)
    _checks(home, chosen)
    if record.answers != chosen.model_dump(mode="json"):
        record.answered(chosen.model_dump(mode="json"))
    pins = questions.Pins(pin_file, so_pin_file, chosen.token)
    work = Setup(home, record, chosen, tools=_Tools(), pins=pins)
    try:
        for number, outcome in enumerate(work.run(), start=1):
            _show(number, outcome, of=len(STEPS[chosen.part]))
            if outcome.secret:
                _hand_over(outcome.secret, admin_key_file)
                work.administrator_was_shown()
    except ConfigurationEdited as error:
        console.out.print(str(error), markup=False)
        raise console.CommandFailed(
            error.code,
            t(
                "kyso.toml đã được sửa và khác với câu trả lời; không ghi đè. Sửa tay theo phần khác biệt ở trên, hoặc đổi tên tệp rồi chạy lại.",
                "kyso.toml was edited and differs from the answers; it is not overwritten. Change it by hand as shown above, or "
                "move it away and run this again.",
            ),
            status=console.REFUSED,
        ) from None
    except OSError as error:
        raise console.CommandFailed(
            "setup-interrupted",
            t(
                f"không ghi được ({error.strerror}); dọn chỗ rồi chạy lại, việc đã xong được giữ",
                f"it cannot be written ({error.strerror}); make room and run it again: what is done stays done",
            ),
            status=console.NOT_AVAILABLE,
        ) from None
    _what_is_left(home, chosen)


def _require_stopped(home: Path) -> None:
    try:
        with children.only_one(home):
            pass
    except children.AlreadyRunning:
        raise console.CommandFailed(
            "service-running",
            t("dịch vụ đang chạy; hãy dừng rồi thiết lập", "the service runs; stop it for the set-up"),
            status=console.NOT_AVAILABLE,
        ) from None


def _answers(record: Record, file: Path | None, part: dict[str, Any]) -> Answers:
    """`part` are the answers that follow from which part is set up."""
    if file is not None:
        return answering.read(file, over=part)
    if record.answers is not None:
        return answering.of({**record.answers, **part})
    return questions.ask(part)


# --- the checks -------------------------------------------------------------------------------------------------------


def _checks(home: Path, chosen: Answers) -> None:
    """Every check is shown; the first that must hold and does not ends it, before anything is changed."""
    _say()
    _say(t("Kiểm tra máy", "Looking at the machine"))
    settings = kyso_settings.Settings(home=home) if not (home / "kyso.toml").exists() else kyso_settings.load(home)
    environment = {name: value.replace("{home}", str(home)) for name, value in chosen.environment.items()}

    def found() -> Iterator[checks.Check]:
        yield from checks.machine(home, now=datetime.now(UTC))
        if chosen.part != "keepers":
            yield checks.sandbox(lambda: _locks_down(settings))
        if chosen.part != "service":
            yield checks.library(chosen.library, environment=environment)[0]
        if chosen.tls_certificate is not None and chosen.tls_key is not None:
            yield checks.tls(chosen.tls_certificate, chosen.tls_key)

    missing = []
    for one in found():
        sign = "[green]✓[/]" if one.is_well else "[red]✗[/]" if one.must else "[yellow]![/]"
        console.out.print(f"  {sign} ", end="")
        console.out.print(_check_words(one), markup=False)
        if one.must and not one.is_well:
            missing.append(one)
    if missing:
        raise console.CommandFailed("setup-check-failed", _check_words(missing[0]), status=console.NOT_AVAILABLE)


def _locks_down(settings: Settings) -> bool:
    settings.make_folders()
    deadline = time.monotonic() + appliance.STARTS_WITHIN
    with appliance.documents(settings) as documents:
        while True:
            try:
                return documents.sandbox.check().seccomp
            except SandboxNotAvailable:  # it is being started
                if time.monotonic() > deadline:
                    raise


def _check_words(one: checks.Check) -> str:
    facts = {name: str(value) for name, value in one.facts.items()}
    well, bad = {
        "clock": (
            t("Đồng hồ: {time}", "Clock: {time}"),
            t("Đồng hồ sai: {time}; hãy chỉnh giờ", "The clock is wrong: {time}; set it"),
        ),
        "synchronised": (
            t("Đồng hồ được đồng bộ", "The clock is synchronised"),
            t("Đồng hồ chưa được đồng bộ; nên bật NTP", "The clock is not synchronised; NTP would be better"),
        ),
        "disk": (
            t("Đĩa trống {free} MiB", "{free} MiB of disk are free"),
            t(
                "Đĩa chỉ còn {free} MiB tại {folder}; cần ít nhất {least} MiB",
                "Only {free} MiB are free at {folder}; {least} MiB are needed",
            ),
        ),
        "entropy": (
            t("Bộ sinh số ngẫu nhiên sẵn sàng", "The random generator is ready"),
            t("Bộ sinh số ngẫu nhiên chưa sẵn sàng; hãy chờ", "The random generator is not ready; wait a little"),
        ),
        "sandbox": (
            t("Tiến trình đọc tài liệu tự cách ly được", "Document workers can lock themselves down"),
            t(
                "Tiến trình đọc tài liệu không tự cách ly được (cần seccomp)",
                "Document workers cannot lock themselves down (seccomp)",
            ),
        ),
        "library": (
            t("Thư viện PKCS#11 dùng được, thấy {tokens} thiết bị", "The PKCS#11 library works, with {tokens} tokens"),
            t(
                "Thư viện PKCS#11 {library} không dùng được: {reason}",
                "The PKCS#11 library {library} cannot be used: {reason}",
            ),
        ),
        "tls": (
            t("Chứng thư TLS và khóa khớp nhau", "The TLS certificate and its key fit together"),
            t("Chứng thư TLS {file} không dùng được: {reason}", "The TLS certificate {file} cannot be used: {reason}"),
        ),
    }[one.name]
    return (well if one.is_well else bad).format(**facts)


# --- the steps --------------------------------------------------------------------------------------------------------


def _show(number: int, outcome: Outcome, *, of: int) -> None:
    if number == 1:
        _say()
        _say(t("Các bước", "The steps"))
    did = {
        "made": t("xong", "done"),
        "there": t("đã có", "there already"),
        "skipped": t("không có gì để làm", "nothing to do"),
    }[outcome.did]
    about = (
        outcome.facts.get("file")
        or outcome.facts.get("token")
        or outcome.facts.get("keys")
        or outcome.facts.get("files", "")
    )
    console.out.print(f"  [{number}/{of}] {_step(outcome.step)}: [green]{did}[/]", end="")
    console.out.print(f"  {about}" if about else "", markup=False)
    if outcome.facts.get("failed"):
        console.complain(
            "key-canary-failed",
            t(
                f"chữ ký thử không đúng: {outcome.facts['failed']}",
                f"the trial of {outcome.facts['failed']} went wrong",
            ),
        )


def _step(step: Step) -> str:
    return {
        "configuration": t("Ghi cấu hình kyso.toml", "Write kyso.toml"),
        "storage": t("Khóa mã hóa tài liệu lưu trữ", "The key under which documents are encrypted"),
        "token": t("Thiết bị lưu khóa", "The token"),
        "keys": t("Tạo khóa", "Make keys"),
        "requests": t("Viết yêu cầu cấp chứng thư", "Write certification requests"),
        "anchors": t("Chứng thư gốc tin cậy", "Trust anchors"),
        "administrator": t("Người quản trị đầu tiên", "The first administrator"),
        "trial": t("Ký thử và kiểm tra", "Sign for a trial, and verify"),
        "finish": t("Ghi nhận đã thiết lập", "Put the set-up on record"),
    }[step]


def _hand_over(secret: str, file: Path | None) -> None:
    """The API key of the administrator, shown once or written to a file of its own."""
    if file is None:
        console.out.print(
            t(
                "        Khóa API của người quản trị, chỉ hiện một lần:",
                "        The administrator's API key, shown once:",
            )
        )
        console.out.print(f"        {secret}", markup=False)
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secret + "\n")
        out.flush()
        os.fsync(out.fileno())
    _say(t(f"        Khóa API của người quản trị: {file}", f"        The administrator's API key: {file}"))


def _what_is_left(home: Path, chosen: Answers) -> None:
    _say()
    _say(t("Việc còn lại", "What is left to do"))
    left = []
    if chosen.part != "keepers" and chosen.storage == "file":
        whose = chosen.storage_kept_by or t(
            "người khác với người giữ bản sao lưu", "somebody else than who keeps the backups"
        )
        left.append(
            t(
                f"cất một bản sao của {home}/{STORAGE_KEY} ở nơi khác, giao cho: {whose}; mất khóa là mất tài liệu",
                f"keep a copy of {home}/{STORAGE_KEY} elsewhere, with: {whose}; without it the documents are lost",
            )
        )
    wanting = [key.ref for key in chosen.keys if key.purpose != "checkpoints"]
    if wanting and chosen.part != "service":
        left.append(
            t(
                f"gửi các tệp trong {home}/csr cho bên cấp chứng thư; có chứng thư thì: kyso key import-cert KHÓA TỆP ({', '.join(wanting)})",
                f"send the files in {home}/csr to the authority; then: kyso key import-cert KEY FILE ({', '.join(wanting)})",
            )
        )
    if not chosen.anchors and chosen.part != "keepers":
        left.append(t("thêm chứng thư gốc tin cậy: kyso trust add TỆP", "add a trust anchor: kyso trust add FILE"))
    if chosen.pin == "typed" and chosen.part != "service":
        left.append(t("sau mỗi lần khởi động: kyso unlock", "after each start: kyso unlock"))
    if chosen.pin == "credential" and chosen.part != "service":
        left.append(
            t(
                "cất mã PIN bằng TPM: systemd-ask-password -n | systemd-creds encrypt --with-key=tpm2 --name=token-pin - /etc/credstore.encrypted/token-pin",
                "seal the PIN: systemd-ask-password -n | systemd-creds encrypt --with-key=tpm2 --name=token-pin - /etc/credstore.encrypted/token-pin",
            )
        )
    if chosen.tls_certificate is None and chosen.host not in ("127.0.0.1", "localhost", "::1"):
        left.append(t("cần TLS hoặc một proxy có TLS phía trước", "TLS is wanted here, or a proxy with TLS before it"))
    if chosen.part == "keepers":
        left.append(
            t(
                f"khởi động: kyso keepers; rồi, với người dùng {chosen.peers[0]}: kyso setup --keepers {home}",
                f"start them: kyso keepers; then, as user {chosen.peers[0]}: kyso setup --keepers {home}",
            )
        )
    else:
        left.append(t("khởi động: kyso serve; rồi xem: kyso status", "start it: kyso serve; then look: kyso status"))
    for number, one in enumerate(left, start=1):
        console.out.print(f"  {number}. {one}", markup=False)


def _say(text: str = "") -> None:
    console.out.print(text, markup=False)
