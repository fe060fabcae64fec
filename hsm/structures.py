"""The C structures of PKCS#11 2.40 that `hsm.cryptoki` passes, and the names of its answers. No call is made here.

>>> answer_name(0xA0)
'CKR_PIN_INCORRECT'
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from ctypes import c_ubyte, c_ulong, c_void_p
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

Template: TypeAlias = Mapping[int, bool | int | bytes | str]

_NAMES: Final = {
    0x003: "SLOT_ID_INVALID", 0x005: "GENERAL_ERROR", 0x006: "FUNCTION_FAILED", 0x007: "ARGUMENTS_BAD",
    0x00A: "CANT_LOCK", 0x010: "ATTRIBUTE_READ_ONLY", 0x011: "ATTRIBUTE_SENSITIVE", 0x012: "ATTRIBUTE_TYPE_INVALID",
    0x013: "ATTRIBUTE_VALUE_INVALID", 0x020: "DATA_INVALID", 0x021: "DATA_LEN_RANGE", 0x030: "DEVICE_ERROR",
    0x031: "DEVICE_MEMORY", 0x032: "DEVICE_REMOVED", 0x054: "FUNCTION_NOT_SUPPORTED", 0x060: "KEY_HANDLE_INVALID",
    0x062: "KEY_SIZE_RANGE", 0x063: "KEY_TYPE_INCONSISTENT", 0x068: "KEY_FUNCTION_NOT_PERMITTED",
    0x070: "MECHANISM_INVALID", 0x071: "MECHANISM_PARAM_INVALID", 0x082: "OBJECT_HANDLE_INVALID",
    0x090: "OPERATION_ACTIVE", 0x091: "OPERATION_NOT_INITIALIZED", 0x0A0: "PIN_INCORRECT", 0x0A1: "PIN_INVALID",
    0x0A2: "PIN_LEN_RANGE", 0x0A3: "PIN_EXPIRED", 0x0A4: "PIN_LOCKED", 0x0B0: "SESSION_CLOSED",
    0x0B1: "SESSION_COUNT", 0x0B3: "SESSION_HANDLE_INVALID", 0x0B5: "SESSION_READ_ONLY", 0x0B6: "SESSION_EXISTS",
    0x0D0: "TEMPLATE_INCOMPLETE", 0x0D1: "TEMPLATE_INCONSISTENT", 0x0E0: "TOKEN_NOT_PRESENT",
    0x0E1: "TOKEN_NOT_RECOGNIZED", 0x0E2: "TOKEN_WRITE_PROTECTED", 0x100: "USER_ALREADY_LOGGED_IN",
    0x101: "USER_NOT_LOGGED_IN", 0x102: "USER_PIN_NOT_INITIALIZED", 0x130: "DOMAIN_PARAMS_INVALID",
    0x150: "BUFFER_TOO_SMALL", 0x190: "CRYPTOKI_NOT_INITIALIZED", 0x191: "CRYPTOKI_ALREADY_INITIALIZED",
}  # fmt: skip


def answer_name(rv: int) -> str:
    """The CKR's name, or its number where it has none here."""
    return "CKR_" + _NAMES.get(rv, f"{rv:#x}")


class Version(ctypes.Structure):
    _fields_: ClassVar = [("major", c_ubyte), ("minor", c_ubyte)]


class InitializeArgs(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, c_void_p) for name in ("create", "destroy", "lock", "unlock")),
        ("flags", c_ulong),
        ("reserved", c_void_p),
    ]


class SlotInfo(ctypes.Structure):
    _fields_: ClassVar = [
        ("description", c_ubyte * 64),
        ("manufacturer", c_ubyte * 32),
        ("flags", c_ulong),
        ("hardware", Version),
        ("firmware", Version),
    ]


class RawTokenInfo(ctypes.Structure):
    _fields_: ClassVar = [
        ("label", c_ubyte * 32),
        ("manufacturer", c_ubyte * 32),
        ("model", c_ubyte * 16),
        ("serial", c_ubyte * 16),
        ("flags", c_ulong),
        *((f"number{i}", c_ulong) for i in range(10)),
        ("hardware", Version),
        ("firmware", Version),
        ("time", c_ubyte * 16),
    ]


class SessionInfo(ctypes.Structure):
    _fields_: ClassVar = [("slot", c_ulong), ("state", c_ulong), ("flags", c_ulong), ("device_error", c_ulong)]


class Attribute(ctypes.Structure):
    _fields_: ClassVar = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class CkMechanism(ctypes.Structure):
    """CK_MECHANISM; made once for each way of signing and shared, because the module only reads it."""

    _fields_: ClassVar = [("type", c_ulong), ("parameter", c_void_p), ("length", c_ulong)]


class PssParameters(ctypes.Structure):
    """CK_RSA_PKCS_PSS_PARAMS: hash, mask generation function, salt length in bytes."""

    _fields_: ClassVar = [("hash", c_ulong), ("mgf", c_ulong), ("salt", c_ulong)]


@dataclass(frozen=True)
class TokenInfo:
    """What a token says about itself, also before a login. `flags` are CK_TOKEN_INFO's."""

    slot: int
    label: str
    manufacturer: str
    model: str
    serial: str
    flags: int

    INITIALISED: ClassVar = 0x400
    USER_PIN_INITIALISED: ClassVar = 0x8
    LOGIN_REQUIRED: ClassVar = 0x4
    PIN_COUNT_LOW: ClassVar = 0x10000
    PIN_FINAL_TRY: ClassVar = 0x20000
    PIN_LOCKED: ClassVar = 0x40000

    def has(self, flag: int) -> bool:
        """Whether `flag` is set."""
        return bool(self.flags & flag)


def text(field: Iterable[int]) -> str:
    """PKCS#11 pads its texts with blanks and does not terminate them; some modules do both."""
    return bytes(field).split(b"\0", 1)[0].decode("utf-8", "replace").rstrip()


def _packed(value: bool | int | bytes | str) -> bytes:
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, int):
        return bytes(c_ulong(value))
    return value.encode() if isinstance(value, str) else value


class Attributes:
    """A template as a C array; keeps the values alive for as long as the array."""

    def __init__(self, template: Template) -> None:
        values = [_packed(v) for v in template.values()]
        self._buffers = [ctypes.create_string_buffer(v, max(len(v), 1)) for v in values]
        self.array = (Attribute * max(len(values), 1))()
        self.count = len(values)
        for i, kind in enumerate(template):
            self.array[i] = Attribute(kind, ctypes.addressof(self._buffers[i]), len(values[i]))
