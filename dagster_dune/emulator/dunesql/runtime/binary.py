"""Functions of bytes: hashes, encodings, conversions of numbers, parts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import zlib

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


@native("BLOB", "BLOB", "VARCHAR")
def digest(value: bytes, name: str) -> bytes:
    """Hash bytes."""
    if name == "keccak":
        from Crypto.Hash import keccak  # noqa: PLC0415

        return bytes(keccak.new(digest_bits=256, data=value).digest())
    return hashlib.new(name, value, usedforsecurity=False).digest()


@native("BLOB", "BLOB", "BLOB", "VARCHAR")
def hmac_digest(value: bytes, key: bytes, name: str) -> bytes:
    """Hash bytes with a key."""
    return hmac.new(key, value, name).digest()


@native("BIGINT", "BLOB")
def crc32(value: bytes) -> int:
    """Return the CRC-32 of bytes."""
    return zlib.crc32(value)


_MASK = 2**64 - 1
_PRIMES = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261)


def _left(value: int, count: int) -> int:
    return ((value << count) | (value >> (64 - count))) & _MASK


def _xx_round(total: int, lane: int) -> int:
    return _left((total + lane * _PRIMES[1]) & _MASK, 31) * _PRIMES[0] & _MASK


def _xx_tail(hashed: int, tail: bytes) -> int:
    place = 0
    while place + 8 <= len(tail):
        hashed ^= _xx_round(0, int.from_bytes(tail[place : place + 8], "little"))
        hashed = (_left(hashed, 27) * _PRIMES[0] + _PRIMES[3]) & _MASK
        place += 8
    if place + 4 <= len(tail):
        hashed ^= int.from_bytes(tail[place : place + 4], "little") * _PRIMES[0] & _MASK
        hashed = (_left(hashed, 23) * _PRIMES[1] + _PRIMES[2]) & _MASK
        place += 4
    for byte in tail[place:]:
        hashed = _left(hashed ^ (byte * _PRIMES[4] & _MASK), 11) * _PRIMES[0] & _MASK
    return hashed


@native("BLOB", "BLOB")
def xxhash64(value: bytes) -> bytes:
    """Return the 64-bit xxHash of bytes."""
    whole = len(value) // 32 * 32
    if whole:
        lanes = [(_PRIMES[0] + _PRIMES[1]) & _MASK, _PRIMES[1], 0, -_PRIMES[0] & _MASK]
        for place in range(0, whole, 8):
            lane = place // 8 % 4
            lanes[lane] = _xx_round(lanes[lane], int.from_bytes(value[place : place + 8], "little"))
        hashed = sum(_left(lane, turn) for lane, turn in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            hashed = ((hashed ^ _xx_round(0, lane)) * _PRIMES[0] + _PRIMES[3]) & _MASK
    else:
        hashed = _PRIMES[4]
    hashed = _xx_tail((hashed + len(value)) & _MASK, value[whole:])
    for turn, prime in ((33, _PRIMES[1]), (29, _PRIMES[2])):
        hashed = (hashed ^ (hashed >> turn)) * prime & _MASK
    return (hashed ^ (hashed >> 32)).to_bytes(8, "big")


def _mixed(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> 33)) * factor & _MASK
    return value ^ (value >> 33)


@native("BLOB", "BLOB")
def murmur3(value: bytes) -> bytes:
    """Return the 128-bit MurmurHash3 of bytes."""
    first, second, one, two = 0, 0, 0x87C37B91114253D5, 0x4CF5AD432745937F
    whole = len(value) // 16 * 16
    for place in range(0, whole, 16):
        low, high = (int.from_bytes(value[at : at + 8], "little") for at in (place, place + 8))
        first ^= _left(low * one & _MASK, 31) * two & _MASK
        first = ((_left(first, 27) + second) * 5 + 0x52DCE729) & _MASK
        second ^= _left(high * two & _MASK, 33) * one & _MASK
        second = ((_left(second, 31) + first) * 5 + 0x38495AB5) & _MASK
    tail = value[whole:]
    if len(tail) > 8:
        second ^= _left(int.from_bytes(tail[8:], "little") * two & _MASK, 33) * one & _MASK
    if tail:
        first ^= _left(int.from_bytes(tail[:8], "little") * one & _MASK, 31) * two & _MASK
    first, second = first ^ len(value), second ^ len(value)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    first, second = _mixed(first), _mixed(second)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    return first.to_bytes(8, "little") + second.to_bytes(8, "little")


_ENCODERS = {
    "64": base64.b64encode, "64url": base64.urlsafe_b64encode, "32": base64.b32encode,
}  # fmt: skip


@native("VARCHAR", "BLOB", "VARCHAR")
def encode(value: bytes, name: str) -> str:
    """Encode bytes in base 64 or base 32."""
    return _ENCODERS[name](value).decode()


@native("BLOB", "VARCHAR", "VARCHAR")
def decode(text: str, name: str) -> bytes:
    """Decode bytes in base 64 or base 32."""
    try:
        if name == "32":
            return base64.b32decode(text + "=" * (-len(text) % 8))
        if name == "64":
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        return base64.b64decode((text + "=" * (-len(text) % 4)).translate({45: "+", 95: "/"}), validate=True)
    except ValueError as error:
        raise FunctionError(f"Invalid base{name} text: {error}") from None


@native("BLOB", "VARCHAR")
def from_hex(text: str) -> bytes:
    """Decode hexadecimal digits, with or without ``0x``."""
    digits = text[2:] if text[:2].lower() == "0x" else text
    try:
        return bytes.fromhex(digits) if " " not in digits else bytes.fromhex("x")
    except ValueError:
        raise FunctionError(f"'{text}' is no even number of hexadecimal digits") from None


@native("VARCHAR", "BLOB", "VARCHAR")
def from_utf8(value: bytes, replacement: str) -> str:
    """Decode UTF-8, and replace invalid bytes by a character or by nothing."""
    if len(replacement) > 1:
        raise FunctionError("Replacement character string must empty or a single character")
    parts, place = [], 0
    while place < len(value):
        try:
            parts.append(value[place:].decode())
            break
        except UnicodeDecodeError as error:
            parts += [value[place : place + error.start].decode(), replacement]
            place += error.end
    return "".join(parts)


@native("BLOB", "DOUBLE", "VARCHAR")
def to_ieee754(value: float, kind: str) -> bytes:
    """Return the big-endian bytes of a double or a real."""
    return struct.pack(f">{kind}", value)


@native("DOUBLE", "BLOB", "VARCHAR")
def from_ieee754(value: bytes, kind: str) -> float:
    """Return the double or the real of big-endian bytes."""
    size = struct.calcsize(kind)
    if len(value) != size:
        raise FunctionError(f"Input floating-point value must be exactly {size} bytes long")
    return float(struct.unpack(f">{kind}", value)[0])


@native("BLOB", "BIGINT", "INTEGER")
def to_big_endian(value: int, size: int) -> bytes:
    """Return the big-endian bytes of an integer."""
    return value.to_bytes(size, "big", signed=True)


@native("BIGINT", "BLOB", "INTEGER", "BOOLEAN")
def from_big_endian(value: bytes, size: int, exact: bool) -> int:
    """Return the integer of big-endian bytes."""
    if exact and len(value) != size:
        raise FunctionError(f"expected {size}-byte input, but got instead: {len(value)}")
    if len(value) > size:
        raise FunctionError(f"bytearray is longer than {size} bytes: {len(value)}")
    return int.from_bytes(value.rjust(size, b"\0"), "big", signed=True)


@native("VARCHAR", "BLOB")
def bytes_decimal(value: bytes) -> str:
    """Return the integer of at most 16 big-endian bytes."""
    if len(value) > 16:
        raise FunctionError(f"bytearray is longer than 16 bytes: {len(value)}")
    number = int.from_bytes(value.rjust(16, b"\0"), "big", signed=True)
    if abs(number) >= 10**38:
        raise FunctionError(f"{number} does not fit decimal(38,0)")
    return str(number)


@native("BLOB", "BLOB", "BIGINT", "BIGINT")
def bytes_substr(value: bytes, start: int, length: int) -> bytes:
    """Return a part of bytes; positions begin with 1, or count from the end if they are negative."""
    begin = start - 1 if start > 0 else len(value) + start
    if start == 0 or begin < 0 or begin >= len(value) or length <= 0:
        return b""
    return value[begin : begin + length]


@native("BLOB", "BLOB")
def bytes_reverse(value: bytes) -> bytes:
    """Reverse bytes."""
    return value[::-1]


@native("BIGINT", "BLOB", "BLOB")
def bytes_position(value: bytes, part: bytes) -> int:
    """Return the first position of bytes in others, 0 if there is none."""
    return value.find(part) + 1


@native("BLOB", "BLOB", "BLOB", "BLOB")
def bytes_replace(value: bytes, part: bytes, replacement: bytes) -> bytes:
    """Replace bytes."""
    if not part:
        raise FunctionError("The bytes to replace must not be empty")
    return value.replace(part, replacement)


@native("BLOB", "BLOB", "VARCHAR")
def bytes_trim(value: bytes, side: str) -> bytes:
    """Remove zero bytes at one end."""
    return value.lstrip(b"\0") if side == "left" else value.rstrip(b"\0")


@native("BLOB", "VARCHAR")
def address_32(text: str) -> bytes:
    """Pad an address of at most 20 bytes to 32."""
    digits = text[2:] if text[:2].lower() == "0x" else text
    value = from_hex(digits.rjust(len(digits) + len(digits) % 2, "0"))
    if len(value) > 32:
        raise FunctionError(f"Invalid address: {text}")
    return bytes(value).rjust(32, b"\0")


@native("BIGINT", "BLOB")
def checksum_part(value: bytes) -> int:
    """Return the summand of a value in a checksum, before it is reduced to 64 bits."""
    return int.from_bytes(xxhash64(value), "big", signed=True)


@native("BLOB", "VARCHAR")
def checksum_bytes(total: str) -> bytes:
    """Reduce a sum of hashes to a checksum of 64 bits."""
    return (int(total) * _PRIMES[0] & _MASK).to_bytes(8, "little")
