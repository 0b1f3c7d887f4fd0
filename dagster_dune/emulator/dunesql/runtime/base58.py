"""Base 58, and addresses of TRON in it: a prefix, 20 bytes, and a checksum of 4 bytes.

See https://docs.dune.com/query-engine/Functions-and-operators/tronaddress.
"""

from __future__ import annotations

from hashlib import sha256

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_PREFIX = b"\x41"
_CHECKSUM_BYTES = 4
_ADDRESS_BYTES = 20
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@native("VARCHAR", "BLOB")
def to_base58(value: bytes) -> str:
    """Encode bytes in base 58."""
    number, text = int.from_bytes(value, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(value) - len(value.lstrip(b"\0"))) + text


@native("BLOB", "VARCHAR")
def from_base58(text: str) -> bytes:
    """Decode bytes in base 58."""
    number = 0
    for letter in text:
        place = _ALPHABET.find(letter)
        if place < 0:
            raise FunctionError(f"Invalid base58 string: {text}")
        number = number * 58 + place
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


@native("VARCHAR", "BLOB")
def to_tron_address(value: bytes) -> str:
    """Encode an address of TRON."""
    if len(value) != _ADDRESS_BYTES:
        raise FunctionError(f"A TRON address has {_ADDRESS_BYTES} bytes, not {len(value)}")
    return str(to_base58(_PREFIX + value + _checksum(_PREFIX + value)))


@native("BLOB", "VARCHAR")
def from_tron_address(text: str) -> bytes:
    """Decode an address of TRON."""
    value = bytes(from_base58(text))
    address = value[:-_CHECKSUM_BYTES]
    if (
        len(address) != 1 + _ADDRESS_BYTES
        or not address.startswith(_PREFIX)
        or value[-_CHECKSUM_BYTES:] != _checksum(address)
    ):
        raise FunctionError(f"Invalid TRON address: {text}")
    return address[1:]


def _checksum(value: bytes) -> bytes:
    return sha256(sha256(value).digest()).digest()[:_CHECKSUM_BYTES]
