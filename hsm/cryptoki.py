"""The PKCS#11 calls that the keeper makes, bound directly with ctypes: bytes in, bytes out, an error for every bad CKR.

It is a binding and nothing more: it keeps no session, retries nothing and knows no key. `hsm.module` decides. The
names of attributes, mechanisms and key types come from python-pkcs11; the calls do not, because that library (0.10.1)
calls C_Initialize(NULL), has no C_InitToken, signs with three calls, copies PINs into strings and leaks the session
of a refused login (see hsm/README.md).

Every call passes through `_call`, which does three things: takes the lock if the module cannot lock for itself, tells
the watchdog what has begun, and raises CryptokiError unless the module answers CKR_OK.

>>> cryptoki = Cryptoki("/usr/lib/softhsm/libsofthsm2.so")             # doctest: +SKIP
>>> cryptoki.initialise(); [cryptoki.token_info(s).label for s in cryptoki.slots()]   # doctest: +SKIP
['kyso-demo']
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from ctypes import POINTER, byref, c_ubyte, c_ulong, c_void_p
from dataclasses import dataclass
from typing import Final

from hsm.structures import (
    Attribute,
    Attributes,
    CkMechanism,
    InitializeArgs,
    PssParameters,
    RawTokenInfo,
    SessionInfo,
    SlotInfo,
    Template,
    TokenInfo,
    answer_name,
    text,
)

__all__ = ["CkMechanism", "Cryptoki", "CryptokiError", "PssParameters", "Template", "TokenInfo"]

CKU_SO: Final = 0
CKU_USER: Final = 1
CKU_CONTEXT_SPECIFIC: Final = 2
_CKF_OS_LOCKING_OK: Final = 2
_CKF_RW_SESSION: Final = 2
_CKF_SERIAL_SESSION: Final = 4
_UNAVAILABLE: Final = c_ulong(-1).value
_LARGEST_SIGNATURE: Final = 2048

CKR_OK: Final = 0x000
CKR_CANT_LOCK: Final = 0x00A
CKR_ATTRIBUTE_TYPE_INVALID: Final = 0x012
CKR_PIN_INCORRECT: Final = 0x0A0
CKR_PIN_LOCKED: Final = 0x0A4
CKR_USER_ALREADY_LOGGED_IN: Final = 0x100
CKR_CRYPTOKI_ALREADY_INITIALIZED: Final = 0x191
PIN_REFUSALS: Final = frozenset({0x0A0, 0x0A1, 0x0A2, 0x0A3, 0x0A4})
"""CKR_PIN_INCORRECT, _INVALID, _LEN_RANGE, _EXPIRED, _LOCKED: the token looked at the PIN and said no."""

# Position of each function in CK_FUNCTION_LIST (PKCS#11 2.40, pkcs11f.h).
_INDEX: Final = {
    "C_Initialize": 0, "C_Finalize": 1, "C_GetSlotList": 4, "C_GetSlotInfo": 5, "C_GetTokenInfo": 6,
    "C_GetMechanismList": 7, "C_InitToken": 9, "C_InitPIN": 10, "C_OpenSession": 12, "C_CloseSession": 13,
    "C_CloseAllSessions": 14, "C_GetSessionInfo": 15, "C_Login": 18, "C_Logout": 19, "C_CreateObject": 20,
    "C_DestroyObject": 22, "C_GetAttributeValue": 24, "C_FindObjectsInit": 26, "C_FindObjects": 27,
    "C_FindObjectsFinal": 28, "C_SignInit": 42, "C_Sign": 43, "C_GenerateKeyPair": 59,
}  # fmt: skip


class CryptokiError(Exception):
    """The module answered a call with something other than CKR_OK."""

    def __init__(self, function: str, rv: int) -> None:
        self.function = function
        self.rv = rv
        self.name = answer_name(rv)
        super().__init__(f"{function}: {self.name}")


@dataclass(frozen=True)
class CallUnderWay:
    """A C call that has begun and not returned; `since` is in `time.monotonic` seconds."""

    function: str
    since: float


class Cryptoki:
    """One loaded PKCS#11 module. Never fork once `initialise` was called."""

    def __init__(self, library: str) -> None:
        """Load the module; OSError if that fails. The path comes from configuration only: pkcs11-spy logs PINs."""
        dll = ctypes.CDLL(library)
        get_list = dll.C_GetFunctionList
        get_list.restype = c_ulong
        get_list.argtypes = [c_void_p]
        # Some modules (p11-kit's) hand out a new list with a state of its own at every call: ask once, keep it.
        table = c_void_p()
        rv = get_list(byref(table))
        if rv != CKR_OK or not table.value:
            raise CryptokiError("C_GetFunctionList", rv)
        # CK_VERSION is padded to the size of a pointer; the function pointers follow.
        pointers = ctypes.cast(table.value + ctypes.sizeof(c_void_p), POINTER(c_void_p))
        prototype = ctypes.CFUNCTYPE(c_ulong)
        self._functions = {name: prototype(p) if (p := pointers[i]) else _absent for name, i in _INDEX.items()}
        self._gate: contextlib.AbstractContextManager[object] = threading.RLock()
        self._initialised = False
        self.thread_safe = False
        self.under_way: dict[int, CallUnderWay] = {}
        """The calls that have not returned, by thread; the watchdog reads it."""

    def _call(self, name: str, *arguments: object) -> None:
        rv = self._raw(name, *arguments)
        if rv != CKR_OK:
            raise CryptokiError(name, rv)

    def _raw(self, name: str, *arguments: object) -> int:
        me = threading.get_ident()
        with self._gate:
            self.under_way[me] = CallUnderWay(name, time.monotonic())
            try:
                return int(self._functions[name](*arguments))
            finally:
                del self.under_way[me]

    # -- the module ------------------------------------------------------------------------------------------------

    def initialise(self) -> None:
        """C_Initialize with CKF_OS_LOCKING_OK; a module that cannot lock is put behind one lock of ours."""
        arguments = InitializeArgs(flags=_CKF_OS_LOCKING_OK)
        rv = self._raw("C_Initialize", byref(arguments))
        self.thread_safe = rv in (CKR_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED)
        if rv == CKR_CANT_LOCK:
            rv = self._raw("C_Initialize", None)
        if rv not in (CKR_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED):
            raise CryptokiError("C_Initialize", rv)
        self._gate = contextlib.nullcontext() if self.thread_safe else threading.RLock()
        self._initialised = True

    def finalise(self) -> None:
        """Give up every session and handle; whatever the module says, it is initialised anew afterwards."""
        if self._initialised:
            self._initialised = False
            self._raw("C_Finalize", None)

    def slots(self) -> tuple[int, ...]:
        """Ids of the slots with a token in them. The NULL call first: it makes modules look for new tokens."""
        count = c_ulong()
        self._call("C_GetSlotList", c_ubyte(1), None, byref(count))
        ids = (c_ulong * max(count.value, 1))()
        self._call("C_GetSlotList", c_ubyte(1), ids, byref(count))
        return tuple(ids[: count.value])

    def slot_description(self, slot: int) -> str:
        """The slot's own text."""
        info = SlotInfo()
        self._call("C_GetSlotInfo", c_ulong(slot), byref(info))
        return text(info.description)

    def token_info(self, slot: int) -> TokenInfo:
        """Label, maker, flags of the token in `slot`."""
        info = RawTokenInfo()
        self._call("C_GetTokenInfo", c_ulong(slot), byref(info))
        return TokenInfo(
            slot=slot,
            label=text(info.label),
            manufacturer=text(info.manufacturer),
            model=text(info.model),
            serial=text(info.serial),
            flags=info.flags,
        )

    def mechanisms(self, slot: int) -> frozenset[int]:
        """The CKM_ numbers that the token offers."""
        count = c_ulong()
        self._call("C_GetMechanismList", c_ulong(slot), None, byref(count))
        kinds = (c_ulong * max(count.value, 1))()
        self._call("C_GetMechanismList", c_ulong(slot), kinds, byref(count))
        return frozenset(kinds[: count.value])

    def initialise_token(self, slot: int, *, so_pin: bytearray, label: str) -> None:
        """C_InitToken: everything on the token is destroyed."""
        padded = label.encode().ljust(32)
        self._call("C_InitToken", c_ulong(slot), _borrowed(so_pin), c_ulong(len(so_pin)), padded)

    # -- sessions --------------------------------------------------------------------------------------------------

    def open_session(self, slot: int, *, writable: bool = False) -> int:
        """A new session; it shares the login of the others."""
        flags = _CKF_SERIAL_SESSION | (_CKF_RW_SESSION if writable else 0)
        session = c_ulong()
        self._call("C_OpenSession", c_ulong(slot), c_ulong(flags), None, None, byref(session))
        return session.value

    def close_session(self, session: int) -> None:
        """Close without logging out: C_Logout would throw out the siblings. An error here means it is gone anyway."""
        self._raw("C_CloseSession", c_ulong(session))

    def close_all(self, slot: int) -> None:
        """Close every session on the slot, which logs out; errors are ignored for the same reason."""
        self._raw("C_CloseAllSessions", c_ulong(slot))

    def is_logged_in(self, session: int) -> bool:
        """Whether the session is a user's (CKS_RO_USER_FUNCTIONS 1, CKS_RW_USER_FUNCTIONS 3)."""
        info = SessionInfo()
        self._call("C_GetSessionInfo", c_ulong(session), byref(info))
        return info.state in (1, 3)

    def login(self, session: int, pin: bytearray, *, user: int = CKU_USER) -> None:
        """One attempt. Only `hsm.lifecycle.AttemptGuard` may decide that there is one."""
        self._call("C_Login", c_ulong(session), c_ulong(user), _borrowed(pin), c_ulong(len(pin)))

    def logout(self, session: int) -> None:
        """Log the whole application out."""
        self._call("C_Logout", c_ulong(session))

    def initialise_pin(self, session: int, pin: bytearray) -> None:
        """Set the user's PIN; the session is the security officer's."""
        self._call("C_InitPIN", c_ulong(session), _borrowed(pin), c_ulong(len(pin)))

    # -- objects ---------------------------------------------------------------------------------------------------

    def find(self, session: int, template: Template) -> tuple[int, ...]:
        """Handles of all objects that match; the search is always ended, or the next sign would be refused."""
        wanted = Attributes(template)
        self._call("C_FindObjectsInit", c_ulong(session), wanted.array, c_ulong(wanted.count))
        found: list[int] = []
        batch, count = (c_ulong * 64)(), c_ulong()
        while True:
            self._call("C_FindObjects", c_ulong(session), batch, c_ulong(64), byref(count))
            if not count.value:
                break
            found.extend(batch[: count.value])
        self._call("C_FindObjectsFinal", c_ulong(session))
        return tuple(found)

    def attribute(self, session: int, handle: int, kind: int) -> bytes | None:
        """One attribute's bytes; None if the object has none or the token does not show it."""
        wanted = Attribute(kind, None, 0)
        rv = self._raw("C_GetAttributeValue", c_ulong(session), c_ulong(handle), byref(wanted), c_ulong(1))
        # ATTRIBUTE_SENSITIVE and ATTRIBUTE_TYPE_INVALID are answers; some tokens say OK and give no length.
        if rv in (0x11, 0x12) or (rv == CKR_OK and wanted.length == _UNAVAILABLE):
            return None
        if rv != CKR_OK:
            raise CryptokiError("C_GetAttributeValue", rv)
        buffer = ctypes.create_string_buffer(max(wanted.length, 1))
        wanted.value = ctypes.addressof(buffer)
        self._call("C_GetAttributeValue", c_ulong(session), c_ulong(handle), byref(wanted), c_ulong(1))
        return buffer.raw[: wanted.length]

    def create(self, session: int, template: Template) -> int:
        """A new object."""
        attributes, handle = Attributes(template), c_ulong()
        self._call("C_CreateObject", c_ulong(session), attributes.array, c_ulong(attributes.count), byref(handle))
        return handle.value

    def destroy(self, session: int, handle: int) -> None:
        """Destroy one object."""
        self._call("C_DestroyObject", c_ulong(session), c_ulong(handle))

    def generate_pair(self, session: int, *, mechanism: int, public: Template, private: Template) -> tuple[int, int]:
        """A new key pair: handles of the public and the private key."""
        how = CkMechanism(mechanism, None, 0)
        pub, priv = Attributes(public), Attributes(private)
        handles = c_ulong(), c_ulong()
        self._call(
            "C_GenerateKeyPair", c_ulong(session), byref(how), pub.array, c_ulong(pub.count), priv.array,
            c_ulong(priv.count), byref(handles[0]), byref(handles[1]),
        )  # fmt: skip
        return handles[0].value, handles[1].value

    def sign(
        self, session: int, key: int, *, mechanism: CkMechanism, data: bytes, context_pin: bytearray | None = None
    ) -> bytes:
        """C_SignInit and C_Sign: two calls, because the buffer is larger than any signature.

        `context_pin` is given to keys with CKA_ALWAYS_AUTHENTICATE. After any error the session must be dropped.
        """
        self._call("C_SignInit", c_ulong(session), byref(mechanism), c_ulong(key))
        if context_pin is not None:
            self.login(session, context_pin, user=CKU_CONTEXT_SPECIFIC)
        buffer = ctypes.create_string_buffer(_LARGEST_SIGNATURE)
        length = c_ulong(_LARGEST_SIGNATURE)
        self._call("C_Sign", c_ulong(session), data, c_ulong(len(data)), buffer, byref(length))
        return buffer.raw[: length.value]


def _absent(*_: object) -> int:
    return 0x54  # CKR_FUNCTION_NOT_SUPPORTED


def _borrowed(secret: bytearray) -> ctypes.Array[ctypes.c_char]:
    """The PIN's own memory as a C buffer, so that no copy outlives the wiping of the original."""
    return (ctypes.c_char * len(secret)).from_buffer(secret)
