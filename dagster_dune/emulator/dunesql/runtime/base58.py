"""Base 58, and the addresses of TRON that are written in it: a prefix, 20 bytes, and 4 bytes of a check sum.

See https://docs.dune.com/query-engine/Functions-and-operators/tronaddress.
"""

from __future__ import annotations

from hashlib import sha256

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_TRON = b"\x41"
_CHECKED = 4
_ADDRESS = 20
_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@native("VARCHAR", "BLOB")
def to_base58(value: bytes) -> str:
    """Write bytes in base 58."""
    number, text = int.from_bytes(value, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _LETTERS[digit] + text
    return "1" * (len(value) - len(value.lstrip(b"\0"))) + text


@native("BLOB", "VARCHAR")
def from_base58(text: str) -> bytes:
    """Read bytes in base 58."""
    number = 0
    for letter in text:
        place = _LETTERS.find(letter)
        if place < 0:
            raise FunctionError(f"Invalid base58 string: {text}")
        number = number * 58 + place
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


@native("VARCHAR", "BLOB")
def to_tron_address(value: bytes) -> str:
    """Write an address of TRON."""
    if len(value) != _ADDRESS:
        raise FunctionError(f"A TRON address has {_ADDRESS} bytes, not {len(value)}")
    return str(to_base58(_TRON + value + _check_sum(_TRON + value)))


@native("BLOB", "VARCHAR")
def from_tron_address(text: str) -> bytes:
    """Read an address of TRON."""
    value = bytes(from_base58(text))
    address = value[:-_CHECKED]
    if len(address) != 1 + _ADDRESS or not address.startswith(_TRON) or value[-_CHECKED:] != _check_sum(address):
        raise FunctionError(f"Invalid TRON address: {text}")
    return address[1:]


def _check_sum(value: bytes) -> bytes:
    return sha256(sha256(value).digest()).digest()[:_CHECKED]
