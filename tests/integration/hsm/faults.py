"""The fault table: every PKCS#11 call of a keeper × every way to fail, and what came of it.

A cell is one fault at one call of a keeper at work. Calls that belong to opening a token are reached by failing a
signature with DEVICE_REMOVED first, so that the keeper opens everything anew and meets the fault on the way. What is
measured: whether anything but a right signature left, how the request under the fault ended, how many logins were
refused, and how long it took until a signature came again.

>>> print(markdown(measure(shim)))                                                   # doctest: +SKIP
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hsm.errors import HsmError
from hsm.token import TokenStatus
from tests.hsm_support import Box, a_faulty_box, eventually, signed_attributes

ANSWERS = {
    "GENERAL_ERROR": 0x05,
    "FUNCTION_FAILED": 0x06,
    "DEVICE_ERROR": 0x30,
    "DEVICE_MEMORY": 0x31,
    "DEVICE_REMOVED": 0x32,
    "KEY_HANDLE_INVALID": 0x60,
    "OBJECT_HANDLE_INVALID": 0x82,
    "OPERATION_ACTIVE": 0x90,
    "SESSION_HANDLE_INVALID": 0xB3,
    "TOKEN_NOT_PRESENT": 0xE0,
    "USER_NOT_LOGGED_IN": 0x101,
    "BUFFER_TOO_SMALL": 0x150,
    "CRYPTOKI_NOT_INITIALIZED": 0x190,
}
PIN_ANSWERS = {"PIN_INCORRECT": 0xA0, "PIN_LOCKED": 0xA4}
SIGNING = ("C_SignInit", "C_Sign")
OPENING = (
    "C_Initialize", "C_Finalize", "C_GetSlotList", "C_GetTokenInfo", "C_GetMechanismList", "C_OpenSession",
    "C_CloseSession", "C_CloseAllSessions", "C_GetSessionInfo", "C_Login", "C_FindObjectsInit", "C_FindObjects",
    "C_FindObjectsFinal", "C_GetAttributeValue",
)  # fmt: skip
VIOLENT = {
    "a flipped bit": "C_Sign flip 0 1",
    "a hang": "C_Sign sleep 60000 1",
    "death before": "C_Sign kill-before 0 1",
    "death after": "C_Sign kill-after 0 1",
}
RECOVERY = 5.0
"""Seconds within which a signature must come again."""
HANG = 1.0
"""`call_limit` of these keepers, in seconds."""


@dataclass(frozen=True)
class Cell:
    """What one fault led to. `recovered` in seconds after the fault, None if it takes a person."""

    call: str
    fault: str
    reached: bool
    """Whether the keeper made the call, and so met the fault."""
    outcome: str
    """`signed`, or the code of the error that the request under the fault met."""
    wrong: int
    """Signatures that left and do not verify; the keeper's client would have had them."""
    refused_logins: int
    recovered: float | None
    state: str
    """The keeper's, at the end."""


class _Bench:
    """One keeper behind the shim, used for one cell after another; started anew when it dies, as the supervisor does."""

    def __init__(self, box: Box, follow: Callable[[str], None]) -> None:
        self.box = box
        self._follow = follow
        box.make_token()
        box.start()
        box.create("key", "p256")
        with box.token as token:
            (self._info,) = token.keys()
        self._stop = threading.Event()
        threading.Thread(target=self._supervise, daemon=True).start()

    def _supervise(self) -> None:
        while not self._stop.wait(0.05):
            if self.box.process is not None and self.box.process.poll() is not None and not self._stop.is_set():
                self.box.start()

    def close(self) -> None:
        self._stop.set()
        time.sleep(0.1)

    def _sign(self, *, number: int) -> tuple[str, int]:
        """How it ended, and whether a wrong value left."""
        tbs = signed_attributes(str(number).encode())
        try:
            with self.box.token as token:
                value = self.box.sign(token, tbs, key="key", mechanism="ecdsa_sha256", number=number)
        except HsmError as e:
            return e.code, 0
        return "signed", int(not _verifies(value, tbs, public_key=self._info.public_key))

    def cell(self, call: str, fault: str, plan: str, *, number: int) -> Cell:
        """Inflict the fault, let it pass, and watch."""
        self._follow("")
        trace = self.box.path / "trace"
        trace.write_text("")
        self._follow(plan)
        began = time.monotonic()
        outcome, wrong = self._sign(number=number)
        if fault in VIOLENT:
            self._follow("")
            began = time.monotonic()
        recovered: float | None = None
        if fault not in VIOLENT:
            # A signature in between would show that the token is well, and nothing would be opened anew.
            eventually(lambda: f"{call} {call}=" in trace.read_text())
        for again in itertools.count(1):
            ended, more = self._sign(number=number + again)
            wrong += more
            if ended == "signed":
                recovered = time.monotonic() - began
                break
            if time.monotonic() - began > 2 * RECOVERY or self._status().state == "locked":
                break
            time.sleep(0.03)
        lines = trace.read_text().splitlines()
        cell = Cell(
            call=call,
            fault=fault,
            reached=fault in VIOLENT or any(line.startswith(f"{call} {call}=") for line in lines),
            outcome=outcome,
            wrong=wrong,
            refused_logins=sum(line.startswith("C_Login C_Login=") for line in lines),
            recovered=recovered,
            state=self._status().state,
        )
        self._mend()
        return cell

    def _status(self) -> TokenStatus:
        with self.box.token as token:
            return token.status()

    def _mend(self) -> None:
        """What a person does: say that the PIN is right."""
        self._follow("")
        if self._status().state != "operational":
            with self.box.admin as admin:
                admin.unlock()
            eventually(lambda: self._status().state == "operational")


def _verifies(value: bytes, tbs: bytes, *, public_key: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(public_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(value, tbs, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def plans() -> Iterable[tuple[str, str, str]]:
    """Call, fault, and the plan that inflicts it; `{n}` is a number of its own."""
    for call in SIGNING:
        for fault, answer in ANSWERS.items():
            yield call, fault, f"{call} next-answer {answer:#x} {{n}}"
    for call in OPENING:
        for fault, answer in (ANSWERS | (PIN_ANSWERS if call == "C_Login" else {})).items():
            # A session is asked for its state where all else looks well: after an error that does not say "gone".
            first = 0x05 if call == "C_GetSessionInfo" else 0x32
            yield call, fault, f"C_Sign next-answer {first:#x} {{n}}\n{call} next-answer {answer:#x} {{n}}"
    for fault, plan in VIOLENT.items():
        yield "C_Sign", fault, plan


def measure(shim: Path, *, benches: int = 6) -> list[Cell]:
    """The whole table, on several keepers at a time; most of a cell is waiting."""
    numbered = [(number, *plan) for number, plan in enumerate(plans(), start=1)]
    shares = [numbered[i::benches] for i in range(benches)]

    def work(share: list[tuple[int, str, str, str]]) -> list[Cell]:
        with a_faulty_box(shim, call_limit=HANG) as (box, follow):
            bench = _Bench(box, follow)
            try:
                return [
                    bench.cell(call, fault, plan.format(n=number), number=1000 * number)
                    for number, call, fault, plan in share
                ]
            finally:
                bench.close()

    with ThreadPoolExecutor(benches) as pool:
        cells = [cell for part in pool.map(work, shares) for cell in part]
    order = {(call, fault): i for i, (call, fault, _) in enumerate(plans())}
    return sorted(cells, key=lambda cell: order[cell.call, cell.fault])


def markdown(cells: Iterable[Cell]) -> str:
    """The table: calls down, faults across; in each cell how the request ended and when a signature came again."""
    found = {(cell.call, cell.fault): cell for cell in cells}
    faults = [*ANSWERS, *PIN_ANSWERS]
    lines = ["| Call | " + " | ".join(faults) + " |", "|---" * (len(faults) + 1) + "|"]
    for call in (*SIGNING, *OPENING):
        row = [_text(found[call, fault]) if (call, fault) in found else "" for fault in faults]
        lines.append(f"| {call} | " + " | ".join(row) + " |")
    lines += ["", "| C_Sign meets | The request | A signature again |", "|---|---|---|"]
    for fault in VIOLENT:
        cell = found["C_Sign", fault]
        lines.append(f"| {fault} | {cell.outcome} | {_seconds(cell)} |")
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    if not cell.reached:
        return "not called"
    login = f", {cell.refused_logins} login" if cell.refused_logins else ""
    return f"{_seconds(cell)}{login}"


def _seconds(cell: Cell) -> str:
    return f"{cell.state}, by a person" if cell.recovered is None else f"{cell.recovered:.1f} s"
