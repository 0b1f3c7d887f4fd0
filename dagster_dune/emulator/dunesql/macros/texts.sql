-- Bytes, JSON, URLs, and text that Dune and Trino treat in ways of their own.

-- Bytes.
CREATE OR REPLACE MACRO trino_bytes_reverse(x) AS
  list_transform([hex(x)], lambda h: unhex(list_reduce(
    list_transform(range(0, length(h) // 2), lambda i: substr(h, CAST(i * 2 + 1 AS BIGINT), 2)),
    lambda done, byte: byte || done, '')))[1];
CREATE OR REPLACE MACRO trino_bytes_to_integer(x) AS
  list_transform([{'x': x, 'h': '0x' || lpad(hex(x), 8, '0')}], lambda r: CASE
    WHEN octet_length(r.x) > 4 THEN trino_fail('bytearray is longer than 4 bytes: ' || octet_length(r.x))
    ELSE CAST(CASE WHEN CAST(r.h AS UBIGINT) > 2147483647
      THEN CAST(CAST(r.h AS UBIGINT) AS BIGINT) - 4294967296 ELSE CAST(CAST(r.h AS UBIGINT) AS BIGINT) END AS INTEGER) END)[1];
CREATE OR REPLACE MACRO trino_bytes_to_decimal(x) AS
  list_transform([{'x': x, 'h': lpad(hex(x), 32, '0')}], lambda r: CASE
    WHEN octet_length(r.x) > 16 THEN trino_fail('bytearray is longer than 16 bytes: ' || octet_length(r.x))
    ELSE CAST((CAST(CAST('0x' || left(r.h, 16) AS UBIGINT) AS HUGEINT)
               - CASE WHEN left(r.h, 1) >= '8' THEN 18446744073709551616 ELSE 0 END) * 18446744073709551616
              + CAST(CAST('0x' || right(r.h, 16) AS UBIGINT) AS HUGEINT) AS DECIMAL(38, 0)) END)[1];
-- Where bytes first stand in others: at an even distance of hexadecimal digits.
CREATE OR REPLACE MACRO trino_bytes_position(x, part) AS
  list_transform([{'h': hex(x), 'p': hex(part)}], lambda r: CASE WHEN r.h IS NOT NULL AND r.p IS NOT NULL THEN
    coalesce(list_filter(range(1, (length(r.h) - length(r.p)) // 2 + 2), lambda i:
      substr(r.h, CAST(2 * i - 1 AS BIGINT), length(r.p)) = r.p)[1], 0) END)[1];
CREATE OR REPLACE MACRO trino_bytes_replace(x, part, replacement) AS
  list_transform([{'h': regexp_replace(hex(x), '(..)', '\1 ', 'g'), 'p': regexp_replace(hex(part), '(..)', '\1 ', 'g'),
                   'r': regexp_replace(hex(replacement), '(..)', '\1 ', 'g')}], lambda r: CASE
    WHEN r.p = '' THEN trino_fail('The bytes to replace must not be empty')
    ELSE unhex(replace(replace(r.h, r.p, r.r), ' ', '')) END)[1];
CREATE OR REPLACE MACRO trino_bytes_substr(x, start) AS
  list_transform([{'h': hex(x), 'i': start}], lambda r:
    unhex(trino_substr(r.h, CASE WHEN r.i > 0 THEN 2 * r.i - 1 ELSE 2 * r.i END)))[1],
  (x, start, count) AS
  list_transform([{'h': hex(x), 'i': start, 'n': count}], lambda r:
    unhex(trino_substr(r.h, CASE WHEN r.i > 0 THEN 2 * r.i - 1 ELSE 2 * r.i END, 2 * r.n)))[1];
CREATE OR REPLACE MACRO trino_from_big_endian_64(x) AS
  list_transform([x], lambda v: CASE
    WHEN octet_length(v) <> 8 THEN trino_fail('expected 8-byte input, but got instead: ' || octet_length(v))
    ELSE trino_bytes_to_bigint(v) END)[1];
CREATE OR REPLACE MACRO trino_to_big_endian_64(x) AS unhex(lpad(hex(CAST(x AS BIGINT)), 16, '0'));
CREATE OR REPLACE MACRO trino_address_32_from_hex(s) AS
  list_transform([regexp_replace(s, '^0x', '')], lambda h: CASE
    WHEN NOT regexp_full_match(h, '[0-9a-fA-F]{0,64}') THEN trino_fail('Invalid address: ' || h)
    ELSE unhex(lpad(h, 64, '0')) END)[1];

-- JSON.
CREATE OR REPLACE MACRO trino_json_parse(s) AS
  list_transform([s], lambda v: CASE
    WHEN NOT json_valid(v) THEN CAST(trino_fail('Cannot convert value to JSON: ''' || v || '''') AS JSON)
    ELSE json(v) END)[1];
CREATE OR REPLACE MACRO trino_json_format(j) AS CAST(json(j) AS VARCHAR);
CREATE OR REPLACE MACRO trino_json_array_length(j) AS
  list_transform([CAST(j AS VARCHAR)], lambda v: CASE
    WHEN json_valid(v) AND json_type(v) = 'ARRAY' THEN CAST(json_array_length(v) AS BIGINT) END)[1];
-- A step of a path in lax mode: what lax would unwrap or wrap is refused.
CREATE OR REPLACE MACRO trino_lax_key(j, path) AS
  list_transform([j], lambda v: CASE
    WHEN json_type(v) = 'ARRAY' THEN CAST(trino_fail('A JSON path in lax mode that reads a key of an array is not supported by this emulator') AS JSON)
    ELSE json_extract(v, path) END)[1];
CREATE OR REPLACE MACRO trino_lax_position(j, path) AS
  list_transform([j], lambda v: CASE
    WHEN json_type(v) <> 'ARRAY' THEN CAST(trino_fail('A JSON path in lax mode that reads a position of what is no array is not supported by this emulator') AS JSON)
    ELSE json_extract(v, path) END)[1];
CREATE OR REPLACE MACRO trino_json_or_null(s) AS
  list_transform([CAST(s AS VARCHAR)], lambda v: CASE WHEN json_valid(v) THEN json(v) END)[1];
CREATE OR REPLACE MACRO trino_json_unquoted(j) AS
  list_transform([j], lambda v: CASE json_type(v)
    WHEN 'VARCHAR' THEN json_extract_string(v, '$') ELSE CAST(v AS VARCHAR) END)[1];
CREATE OR REPLACE MACRO trino_json_scalar(j) AS
  list_transform([j], lambda v: CASE WHEN json_type(v) NOT IN ('ARRAY', 'OBJECT') THEN json_extract_string(v, '$') END)[1];

-- Text.
CREATE OR REPLACE MACRO trino_left(s, n) AS left(s, CAST(greatest(n, 0) AS BIGINT));
CREATE OR REPLACE MACRO trino_right(s, n) AS right(s, CAST(greatest(n, 0) AS BIGINT));
CREATE OR REPLACE MACRO trino_initcap(s) AS
  list_transform([regexp_extract_all(lower(s), '[\p{L}\p{N}]+|[^\p{L}\p{N}]+')], lambda words:
    list_reduce(list_transform(words, lambda word: upper(left(word, 1)) || substr(word, 2)), lambda done, word: done || word, ''))[1];
CREATE OR REPLACE MACRO trino_regexp_position(s, pattern) AS
  list_transform([{'s': s, 'm': trino_regexp_extract(s, pattern)}], lambda r: CASE
    WHEN r.s IS NULL THEN NULL WHEN r.m IS NULL THEN -1 ELSE CAST(length(regexp_extract(r.s, '^(?s:(.*?))(?:' || pattern || ')', 1)) + 1 AS INTEGER) END)[1];
CREATE OR REPLACE MACRO trino_luhn_check(digits) AS
  list_transform([digits], lambda v: CASE
    WHEN NOT regexp_full_match(v, '[0-9]+') THEN CAST(trino_fail('Input must contain only digits: ' || v) AS BOOLEAN)
    WHEN v IS NOT NULL THEN list_sum(list_transform(split(reverse(v), ''), lambda d, i:
      CASE WHEN i % 2 = 1 THEN CAST(d AS INTEGER) ELSE CAST(d AS INTEGER) * 2 // 10 + CAST(d AS INTEGER) * 2 % 10 END)) % 10 = 0 END)[1];

-- URLs.
CREATE OR REPLACE MACRO trino_url_part(url, number) AS
  list_transform([url], lambda v: CASE
    WHEN NOT regexp_full_match(v, '[A-Za-z][A-Za-z0-9+.-]*://[^/?#%\s]+[^%\s]*')
      THEN trino_fail('A URL without a scheme or with escapes is not supported by this emulator: ' || v)
    ELSE regexp_extract(v, '^([A-Za-z][A-Za-z0-9+.-]*)://(?:[^@/?#]*@)?([^:/?#]*)(?::([0-9]+))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$', number)
  END)[1];
CREATE OR REPLACE MACRO trino_url_extract_protocol(url) AS trino_url_part(url, 1);
CREATE OR REPLACE MACRO trino_url_extract_host(url) AS trino_url_part(url, 2);
CREATE OR REPLACE MACRO trino_url_extract_port(url) AS CAST(nullif(trino_url_part(url, 3), '') AS BIGINT);
CREATE OR REPLACE MACRO trino_url_extract_path(url) AS trino_url_part(url, 4);
CREATE OR REPLACE MACRO trino_url_extract_query(url) AS trino_url_part(url, 5);
CREATE OR REPLACE MACRO trino_url_extract_fragment(url) AS trino_url_part(url, 6);

-- Numbers.
CREATE OR REPLACE MACRO trino_width_bucket(x, low, high, buckets) AS
  list_transform([{'x': CAST(x AS DOUBLE), 'a': CAST(low AS DOUBLE), 'b': CAST(high AS DOUBLE), 'n': CAST(buckets AS BIGINT)}], lambda r: CASE
    WHEN r.n < 1 THEN trino_fail('bucketCount must be greater than 0')
    WHEN r.a = r.b THEN trino_fail('bounds cannot equal each other')
    WHEN r.a < r.b THEN CASE WHEN r.x < r.a THEN 0 WHEN r.x >= r.b THEN r.n + 1
      ELSE CAST(floor(r.n * (r.x - r.a) / (r.b - r.a)) AS BIGINT) + 1 END
    ELSE CASE WHEN r.x > r.a THEN 0 WHEN r.x <= r.b THEN r.n + 1
      ELSE CAST(floor(r.n * (r.a - r.x) / (r.a - r.b)) AS BIGINT) + 1 END END)[1],
  (x, bins) AS list_transform([{'x': CAST(x AS DOUBLE), 'l': bins}], lambda r: CASE
    WHEN len(r.l) = 0 THEN trino_fail('Bins cannot be an empty array')
    WHEN r.x IS NOT NULL AND r.l IS NOT NULL THEN CAST(len(list_filter(r.l, lambda bin: CAST(bin AS DOUBLE) <= r.x)) AS BIGINT) END)[1];
CREATE OR REPLACE MACRO trino_to_base(x, radix) AS
  list_transform([{'x': CAST(x AS BIGINT), 'r': radix}], lambda r: CASE
    WHEN r.r < 2 OR r.r > 36 THEN trino_fail('Radix must be between 2 and 36')
    ELSE CASE WHEN r.x < 0 THEN '-' ELSE '' END || lower(to_base(abs(r.x), CAST(r.r AS INTEGER))) END)[1];
-- A whole number drawn from the first bound up to the second, which is left out.
CREATE OR REPLACE MACRO trino_random_between(low, high) AS
  list_transform([{'a': low, 'b': high, 'r': random()}], lambda r: CASE
    WHEN r.a >= r.b THEN trino_fail('bound must be positive') ELSE r.a + CAST(floor(r.r * (r.b - r.a)) AS BIGINT) END)[1];
