"""Functions of bytes of Trino and Dune."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.registry import Registry
from dagster_dune.emulator.dunesql.types.trino import decimal

BINARY = Registry("functions/binary")
_add = BINARY.add
_add("to_hex", "(varbinary) -> varchar", "hex($1)")
_add("from_hex", "(varchar) -> varbinary", "py_from_hex($1)")
_add("from_hex", "(varbinary) -> varbinary", "py_from_hex(py_from_utf8($1, '?'))")
for _base, _name in (("64", "base64"), ("64url", "base64url"), ("32", "base32")):
    _add(f"to_{_name}", "(varbinary) -> varchar", f"py_encode($1, '{_base}')")
    _add(f"from_{_name}", "(varchar) -> varbinary", f"py_decode($1, '{_base}')")
    _add(f"from_{_name}", "(varbinary) -> varbinary", f"py_decode(py_from_utf8($1, '?'), '{_base}')")
for _name in ("md5", "sha1", "sha256", "sha512"):
    _add(_name, "(varbinary) -> varbinary", f"py_digest($1, '{_name}')")
    _add(f"hmac_{_name}", "(varbinary, varbinary) -> varbinary", f"py_hmac_digest($1, $2, '{_name}')")
_add("crc32", "(varbinary) -> bigint", "py_crc32($1)")
_add("xxhash64", "(varbinary) -> varbinary", "py_xxhash64($1)")
_add("murmur3", "(varbinary) -> varbinary", "py_murmur3($1)")
_add("to_ieee754_64", "(double) -> varbinary", "py_to_ieee754($1, 'd')")
_add("to_ieee754_32", "(real) -> varbinary", "py_to_ieee754(CAST($1 AS DOUBLE), 'f')")
_add("from_ieee754_64", "(varbinary) -> double", "py_from_ieee754($1, 'd')")
_add("from_ieee754_32", "(varbinary) -> real", "CAST(py_from_ieee754($1, 'f') AS FLOAT)")
_add("to_big_endian_64", "(bigint) -> varbinary", "py_to_big_endian($1, 8)")
_add("to_big_endian_32", "(integer) -> varbinary", "py_to_big_endian($1, 4)")
_add("from_big_endian_64", "(varbinary) -> bigint", "py_from_big_endian($1, 8, true)")
_add("from_big_endian_32", "(varbinary) -> integer", "CAST(py_from_big_endian($1, 4, true) AS INTEGER)")

DUNE_BYTES = Registry("dune/varbinary")
_add = DUNE_BYTES.add
_add("keccak", "(varbinary) -> varbinary", "py_digest($1, 'keccak')")
_add("to_base58 tobase58", "(varbinary) -> varchar", "py_to_base58($1)")
_add("from_base58", "(varchar) -> varbinary", "py_from_base58($1)")
_add("to_tron_address", "(varbinary) -> varchar", "py_to_tron_address($1)")
_add("from_tron_address", "(varchar) -> varbinary", "py_from_tron_address($1)")
_add("address_32_from_hex", "(varchar) -> varbinary", "py_address_32($1)")
for _prefix in ("bytearray", "varbinary"):
    _add(f"{_prefix}_to_uint256", "(varbinary) -> uint256", "py_wide_of_bytes($1, false)")
    _add(f"{_prefix}_to_int256", "(varbinary) -> int256", "py_wide_of_bytes($1, true)")
    _add(f"{_prefix}_to_bigint", "(varbinary) -> bigint", "py_from_big_endian($1, 8, false)")
    _add(f"{_prefix}_to_integer", "(varbinary) -> integer", "CAST(py_from_big_endian($1, 4, false) AS INTEGER)")
    _add(
        f"{_prefix}_to_decimal", "(varbinary) -> decimal(p,s)", "CAST(py_bytes_decimal($1) AS DECIMAL(38,0))",
        lambda _: decimal(38, 0),
    )  # fmt: skip
    _add(f"{_prefix}_reverse", "(varbinary) -> varbinary", "py_bytes_reverse($1)")
    _add(f"{_prefix}_position", "(varbinary, varbinary) -> bigint", "py_bytes_position($1, $2)")
    _add(f"{_prefix}_replace", "(varbinary, varbinary, varbinary) -> varbinary", "py_bytes_replace($1, $2, $3)")
    _add(f"{_prefix}_substring", "(varbinary, bigint) -> varbinary", "py_bytes_substr($1, $2, 2147483647)")
    _add(f"{_prefix}_substring", "(varbinary, bigint, bigint) -> varbinary", "py_bytes_substr($1, $2, $3)")
    _add(f"{_prefix}_length", "(varbinary) -> bigint", "octet_length($1)")
    _add(f"{_prefix}_concat", "(varbinary, varbinary) -> varbinary", "($1 || $2)")
    _add(f"{_prefix}_starts_with", "(varbinary, varbinary) -> boolean", "starts_with(hex($1), hex($2))")
    _add(f"{_prefix}_ltrim", "(varbinary) -> varbinary", "py_bytes_trim($1, 'left')")
    _add(f"{_prefix}_rtrim", "(varbinary) -> varbinary", "py_bytes_trim($1, 'right')")

UUIDS = Registry("functions/uuid")
UUIDS.add("uuid", "() -> uuid", "uuid()")

NETWORK = Registry("dune/live-fetch")
for _signature in ("(varchar) -> varchar", "(varchar, array(varchar)) -> varchar"):
    NETWORK.add("http_get", _signature, "trino_http_answer('GET ' || $1)")
for _signature in ("(varchar, varchar) -> varchar", "(varchar, varchar, array(varchar)) -> varchar"):
    NETWORK.add("http_post", _signature, "trino_http_answer('POST ' || $1)")

LINKS = Registry("dune/utility")
_add = LINKS.add
_add("get_href", "(varchar, varchar) -> varchar", "trino_get_href($1, $2)")
_add("get_chain_explorer", "(varchar) -> varchar", "trino_get_chain_explorer($1)")
for _kind, _path in (("address", "address"), ("tx_hash", "tx")):
    for _type, _sql in (("varbinary", "'0x' || lower(hex($2))"), ("varchar", "$2")):
        _add(
            f"get_chain_explorer_{_kind}", f"(varchar, {_type}) -> varchar",
            f"(trino_get_chain_explorer($1) || '/{_path}/' || {_sql})",
        )  # fmt: skip
