-- What Trino's functions mean, said in DuckDB's SQL. A macro has no types of its own and is put in place of its call, so an
-- argument that is needed more than once is bound first, as the field of a struct, or nested calls would grow exponentially.

-- Fails the statement where it is evaluated. A failing cast, unlike error(), may stand inside TRY.
CREATE OR REPLACE MACRO trino_fail(message) AS list_extract([NULL], CAST('trino: ' || message AS BIGINT));

-- The clock stands still at the end of the sample data.
CREATE OR REPLACE MACRO trino_now() AS TIMESTAMPTZ '2026-07-01 00:00:00+00';
CREATE OR REPLACE MACRO trino_today() AS DATE '2026-07-01';

-- Exact integers of any length. Numbers that fit 128 bits take the short way.
CREATE OR REPLACE MACRO trino_limbs(digits) AS
  list_transform(range(0, (length(digits) + 17) // 18),
                 lambda i: CAST(reverse(substr(reverse(digits), CAST(i * 18 + 1 AS BIGINT), 18)) AS HUGEINT));
CREATE OR REPLACE MACRO trino_digits_product(a, b) AS
  list_sum(flatten(list_transform(trino_limbs(a), lambda x, i: list_transform(trino_limbs(b), lambda y, j:
    CAST(CAST(x * y AS VARCHAR) || repeat('0', CAST(18 * (i + j - 2) AS BIGINT)) AS BIGNUM)))));
CREATE OR REPLACE MACRO trino_magnitude(x) AS ltrim(CAST(x AS VARCHAR), '-');
CREATE OR REPLACE MACRO trino_bignum_product(a, b) AS
  list_transform([{'a': CAST(a AS BIGNUM), 'b': CAST(b AS BIGNUM)}], lambda r: CASE
    WHEN r.a IS NULL OR r.b IS NULL THEN NULL
    WHEN abs(CAST(r.a AS DOUBLE) * CAST(r.b AS DOUBLE)) < 1e38
      AND abs(CAST(r.a AS DOUBLE)) < 1e38 AND abs(CAST(r.b AS DOUBLE)) < 1e38
      THEN CAST(CAST(r.a AS HUGEINT) * CAST(r.b AS HUGEINT) AS BIGNUM)
    WHEN (r.a < CAST(0 AS BIGNUM)) = (r.b < CAST(0 AS BIGNUM))
      THEN trino_digits_product(trino_magnitude(r.a), trino_magnitude(r.b))
    ELSE -trino_digits_product(trino_magnitude(r.a), trino_magnitude(r.b))
  END)[1];

-- Long division of magnitudes: each step takes off the quotient that doubles can see, some 52 bits of it.
CREATE OR REPLACE MACRO trino_division_step(s) AS
  list_transform([trunc(CAST(s.r AS DOUBLE) / CAST(s.b AS DOUBLE))], lambda d: {
    'q': s.q + CAST(d AS BIGNUM),
    'r': s.r - trino_bignum_product(CAST(d AS BIGNUM), s.b),
    'b': s.b})[1];
CREATE OR REPLACE MACRO trino_long_division(a, b) AS
  list_transform([list_reduce(list_transform(range(8), lambda i: {'q': CAST(0 AS BIGNUM), 'r': a, 'b': b}),
                              lambda s, x: trino_division_step(s))], lambda s:
    CASE WHEN s.r < CAST(0 AS BIGNUM) THEN {'q': s.q - CAST(1 AS BIGNUM), 'r': s.r + s.b} ELSE {'q': s.q, 'r': s.r} END)[1];
CREATE OR REPLACE MACRO trino_bignum_division(a, b) AS
  list_transform([{'a': CAST(a AS BIGNUM), 'b': CAST(b AS BIGNUM)}], lambda r: CASE
    WHEN r.a IS NULL OR r.b IS NULL THEN NULL
    WHEN r.b = CAST(0 AS BIGNUM) THEN trino_fail('Division by zero')
    WHEN abs(CAST(r.a AS DOUBLE)) < 1e38 AND abs(CAST(r.b AS DOUBLE)) < 1e38
      THEN {'q': CAST(CAST(r.a AS HUGEINT) // CAST(r.b AS HUGEINT) AS BIGNUM),
            'r': CAST(CAST(r.a AS HUGEINT) % CAST(r.b AS HUGEINT) AS BIGNUM)}
    ELSE list_transform([trino_long_division(CAST(trino_magnitude(r.a) AS BIGNUM), CAST(trino_magnitude(r.b) AS BIGNUM))],
      lambda d: {'q': CASE WHEN (r.a < CAST(0 AS BIGNUM)) = (r.b < CAST(0 AS BIGNUM)) THEN d.q ELSE -d.q END,
                 'r': CASE WHEN r.a < CAST(0 AS BIGNUM) THEN -d.r ELSE d.r END})[1]
  END)[1];
CREATE OR REPLACE MACRO trino_bignum_difference(a, b) AS
  list_transform([{'a': CAST(a AS BIGNUM), 'b': CAST(b AS BIGNUM)}], lambda r: CASE
    WHEN r.a >= CAST(0 AS BIGNUM) AND r.b >= CAST(0 AS BIGNUM) AND r.a < r.b
      THEN trino_fail('uint256 subtraction underflow: ' || CAST(r.a AS VARCHAR) || ' - ' || CAST(r.b AS VARCHAR))
    ELSE r.a - r.b END)[1];
CREATE OR REPLACE MACRO trino_with_point(sign, digits, scale) AS
  list_transform([lpad(digits, CAST(greatest(length(digits), scale + 1) AS INTEGER), '0')], lambda d:
    sign || CASE WHEN scale = 0 THEN d ELSE left(d, -scale) || '.' || right(d, scale) END)[1];
-- A decimal quotient as text: the numerator already carries the digits that are wanted after the point; half rounds away.
CREATE OR REPLACE MACRO trino_decimal_quotient(a, b, zeros, scale) AS
  list_transform([{'a': CAST(replace(CAST(a AS VARCHAR), '.', '') || repeat('0', zeros) AS BIGNUM),
                   'b': CAST(replace(CAST(b AS VARCHAR), '.', '') AS BIGNUM)}], lambda r:
    list_transform([trino_bignum_division(r.a, r.b)], lambda d:
      trino_with_point(
        CASE WHEN (r.a < CAST(0 AS BIGNUM)) = (r.b < CAST(0 AS BIGNUM)) THEN '' ELSE '-' END,
        trino_magnitude(CAST(trino_magnitude(d.q) AS BIGNUM)
          + CASE WHEN CAST(trino_magnitude(d.r) AS BIGNUM) + CAST(trino_magnitude(d.r) AS BIGNUM)
                      >= CAST(trino_magnitude(r.b) AS BIGNUM) THEN CAST(1 AS BIGNUM) ELSE CAST(0 AS BIGNUM) END),
        scale))[1])[1];

-- Text of numbers and times as Java and Trino write it.
CREATE OR REPLACE MACRO trino_scientific(sign, text) AS
  list_transform([{'mantissa': split_part(text, 'e', 1), 'power': coalesce(TRY_CAST(split_part(text, 'e', 2) AS INTEGER), 0)}],
    lambda m: list_transform([{
        'digits': rtrim(ltrim(replace(m.mantissa, '.', ''), '0'), '0'),
        'power': m.power + CASE
          WHEN starts_with(m.mantissa, '0.') THEN -(length(m.mantissa) - 1 - length(ltrim(replace(m.mantissa, '.', ''), '0')))
          ELSE length(split_part(m.mantissa, '.', 1)) - 1 END}],
      lambda d: sign || left(d.digits, 1) || '.'
        || CASE WHEN length(d.digits) > 1 THEN substr(d.digits, 2) ELSE '0' END || 'E' || d.power)[1])[1];
CREATE OR REPLACE MACRO trino_double_text(x) AS
  list_transform([CAST(x AS DOUBLE)], lambda v: CASE
    WHEN v IS NULL THEN NULL
    WHEN isnan(v) THEN 'NaN'
    WHEN isinf(v) THEN CASE WHEN v > 0 THEN 'Infinity' ELSE '-Infinity' END
    WHEN v = 0 THEN CASE WHEN starts_with(CAST(v AS VARCHAR), '-') THEN '-0.0' ELSE '0.0' END
    WHEN abs(v) >= 1e-3 AND abs(v) < 1e7 THEN CAST(v AS VARCHAR)
    ELSE trino_scientific(CASE WHEN v < 0 THEN '-' ELSE '' END, ltrim(CAST(v AS VARCHAR), '-')) END)[1];
CREATE OR REPLACE MACRO trino_timestamp_text(x) AS strftime(x, '%Y-%m-%d %H:%M:%S.%g');
-- A moment keeps no zone, so that a text may name none but UTC.
CREATE OR REPLACE MACRO trino_utc_text(x) AS list_extract(list_transform([x], lambda t:
  CASE WHEN regexp_matches(t, ':\d\d(\.\d+)?\s*([+-]\d|[A-Za-z])') AND NOT regexp_matches(t, '(UTC|Z)\s*$')
  THEN trino_fail('this emulator casts no text with a time zone other than UTC (' || t || '); use with_timezone')
  ELSE t END), 1);
CREATE OR REPLACE MACRO trino_timestamptz_text(x) AS strftime(x, '%Y-%m-%d %H:%M:%S.%g') || ' UTC';
CREATE OR REPLACE MACRO trino_varbinary_text(x) AS '0x' || lower(hex(x));
CREATE OR REPLACE MACRO trino_strict_integer(x) AS
  list_transform([x], lambda v: CASE WHEN v IS NULL OR regexp_full_match(v, '[+-]?[0-9]+') THEN v
    ELSE trino_fail('Cannot cast ''' || v || ''' to BIGINT') END)[1];

-- Arrays and maps: a subscript must exist.
CREATE OR REPLACE MACRO trino_subscript(list, position) AS
  list_transform([{'l': list, 'i': position}], lambda r: CASE
    WHEN r.i = 0 THEN trino_fail('SQL array indices start at 1')
    WHEN r.i < 0 THEN trino_fail('Array subscript is negative: ' || r.i)
    WHEN r.i > len(r.l) THEN trino_fail('Array subscript must be less than or equal to array length: ' || r.i || ' > ' || len(r.l))
    ELSE list_extract(r.l, r.i) END)[1];
CREATE OR REPLACE MACRO trino_element_at(list, position) AS
  list_transform([{'l': list, 'i': position}], lambda r: CASE
    WHEN r.i = 0 THEN trino_fail('SQL array indices start at 1') ELSE list_extract(r.l, r.i) END)[1];
CREATE OR REPLACE MACRO trino_contains(list, element) AS
  list_transform([{'l': list, 'e': element}], lambda r: CASE
    WHEN r.l IS NULL OR r.e IS NULL THEN NULL
    WHEN list_contains(r.l, r.e) THEN true
    WHEN len(list_filter(r.l, lambda x: x IS NULL)) > 0 THEN NULL
    ELSE false END)[1];

-- Text.
CREATE OR REPLACE MACRO trino_substr(s, start) AS
  list_transform([{'s': s, 'i': start}], lambda r: CASE
    WHEN r.i = 0 OR abs(r.i) > length(r.s) THEN CASE WHEN r.s IS NOT NULL AND r.i IS NOT NULL THEN '' END
    ELSE substring(r.s, r.i) END)[1],
  (s, start, count) AS
  list_transform([{'s': s, 'i': start, 'n': count}], lambda r: CASE
    WHEN r.i = 0 OR abs(r.i) > length(r.s) OR r.n <= 0
      THEN CASE WHEN r.s IS NOT NULL AND r.i IS NOT NULL AND r.n IS NOT NULL THEN '' END
    ELSE substring(r.s, r.i, r.n) END)[1];
CREATE OR REPLACE MACRO trino_split_part(s, delimiter, position) AS
  list_transform([{'p': split(s, delimiter), 'i': position}], lambda r: CASE
    WHEN r.i < 1 THEN trino_fail('Index must be greater than zero') ELSE list_extract(r.p, r.i) END)[1];
CREATE OR REPLACE MACRO trino_split(s, delimiter) AS split(s, delimiter);
CREATE OR REPLACE MACRO trino_replace(s, search) AS replace(s, search, ''), (s, search, replacement) AS replace(s, search, replacement);
CREATE OR REPLACE MACRO trino_regexp_extract(s, pattern) AS
  list_transform([{'s': s, 'p': pattern}], lambda r: CASE WHEN regexp_matches(r.s, r.p) THEN regexp_extract(r.s, r.p, 0) END)[1],
  (s, pattern, number) AS
  list_transform([{'s': s, 'p': pattern}], lambda r: CASE WHEN regexp_matches(r.s, r.p) THEN regexp_extract(r.s, r.p, number) END)[1];
CREATE OR REPLACE MACRO trino_blanks() AS ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13);
CREATE OR REPLACE MACRO trino_ltrim(s) AS ltrim(s, trino_blanks());
CREATE OR REPLACE MACRO trino_rtrim(s) AS rtrim(s, trino_blanks());
CREATE OR REPLACE MACRO trino_ends_with(s, suffix) AS suffix(s, suffix);
CREATE OR REPLACE MACRO trino_regexp_count(s, pattern) AS CAST(len(regexp_extract_all(s, pattern)) AS BIGINT);
CREATE OR REPLACE MACRO trino_url_encode(s) AS
  replace(replace(replace(url_encode(s), '%20', '+'), '%2A', '*'), '~', '%7E');
CREATE OR REPLACE MACRO trino_url_decode(s) AS url_decode(replace(s, '+', ' '));

-- Numbers.
CREATE OR REPLACE MACRO trino_nan() AS CAST('NaN' AS DOUBLE);
CREATE OR REPLACE MACRO trino_infinity() AS CAST('Infinity' AS DOUBLE);
CREATE OR REPLACE MACRO trino_ln(x) AS
  list_transform([CAST(x AS DOUBLE)], lambda v: CASE
    WHEN v < 0 THEN CAST('NaN' AS DOUBLE) WHEN v = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE ln(v) END)[1];
CREATE OR REPLACE MACRO trino_sqrt(x) AS
  list_transform([CAST(x AS DOUBLE)], lambda v: CASE WHEN v < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(v) END)[1];
CREATE OR REPLACE MACRO trino_log10(x) AS
  list_transform([CAST(x AS DOUBLE)], lambda v: CASE
    WHEN v < 0 THEN CAST('NaN' AS DOUBLE) WHEN v = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE log10(v) END)[1];
CREATE OR REPLACE MACRO trino_log2(x) AS trino_ln(x) / ln(2);
CREATE OR REPLACE MACRO trino_log(base, x) AS trino_ln(x) / trino_ln(base);
CREATE OR REPLACE MACRO trino_power(x, y) AS power(CAST(x AS DOUBLE), CAST(y AS DOUBLE));
CREATE OR REPLACE MACRO trino_e() AS exp(1);
-- At most three digits, and a unit for each thousand.
CREATE OR REPLACE MACRO trino_three_digits(x) AS
  list_transform([x], lambda v: CASE
    WHEN v < 10 THEN rtrim(rtrim(CAST(CAST(CAST(v AS VARCHAR) AS DECIMAL(18, 2)) AS VARCHAR), '0'), '.')
    WHEN v < 100 THEN rtrim(rtrim(CAST(CAST(CAST(v AS VARCHAR) AS DECIMAL(18, 1)) AS VARCHAR), '0'), '.')
    ELSE CAST(CAST(CAST(v AS VARCHAR) AS DECIMAL(18, 0)) AS VARCHAR) END)[1];
CREATE OR REPLACE MACRO trino_format_number(x) AS
  list_transform([CAST(x AS DOUBLE)], lambda v: CASE
    WHEN v <> 0 AND abs(v) < 1 OR abs(v) >= 1e18
      THEN trino_fail('format_number of ' || CAST(v AS VARCHAR) || ' is not supported by this emulator')
    ELSE CASE WHEN v < 0 THEN '-' ELSE '' END || CASE
      WHEN abs(v) < 1e3 THEN trino_three_digits(abs(v))
      WHEN abs(v) < 1e6 THEN trino_three_digits(abs(v) / 1e3) || 'K'
      WHEN abs(v) < 1e9 THEN trino_three_digits(abs(v) / 1e6) || 'M'
      WHEN abs(v) < 1e12 THEN trino_three_digits(abs(v) / 1e9) || 'B'
      WHEN abs(v) < 1e15 THEN trino_three_digits(abs(v) / 1e12) || 'T'
      ELSE trino_three_digits(abs(v) / 1e15) || 'Q' END END)[1];

-- Bits.
CREATE OR REPLACE MACRO trino_bitwise_and(x, y) AS x & y;
CREATE OR REPLACE MACRO trino_bitwise_or(x, y) AS x | y;
CREATE OR REPLACE MACRO trino_bitwise_not(x) AS ~x;
CREATE OR REPLACE MACRO trino_left_shift(x, n) AS x << n;
CREATE OR REPLACE MACRO trino_right_shift_arithmetic(x, n) AS x >> n;
CREATE OR REPLACE MACRO trino_right_shift(x, n) AS
  list_transform([{'x': x, 'n': n}], lambda r: CASE
    WHEN r.x < 0 THEN trino_fail('bitwise_right_shift of a negative number is not supported by this emulator')
    ELSE r.x >> r.n END)[1];
CREATE OR REPLACE MACRO trino_bit_count(x, bits) AS
  list_transform([{'x': x, 'b': bits}], lambda r: CASE
    WHEN r.b < 2 OR r.b > 64 THEN trino_fail('Bits specified in bit_count must be between 2 and 64, got ' || r.b)
    WHEN r.b < 64 AND (r.x >= (1::BIGINT << (r.b - 1)) OR r.x < -(1::BIGINT << (r.b - 1)))
      THEN trino_fail('Number must be representable with the bits specified. ' || r.x || ' cannot be represented with ' || r.b || ' bits')
    WHEN r.x < 0 THEN bit_count(r.x) - (64 - r.b) ELSE CAST(bit_count(r.x) AS BIGINT) END)[1];

-- Times.
CREATE OR REPLACE MACRO trino_from_unixtime(x) AS make_timestamptz(CAST(round(CAST(x AS DOUBLE) * 1000) AS BIGINT) * 1000);
CREATE OR REPLACE MACRO trino_millisecond(x) AS millisecond(x) % 1000;
CREATE OR REPLACE MACRO trino_from_iso8601_timestamp(s) AS
  list_transform([s], lambda v: CASE
    WHEN v IS NULL OR regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?')
      THEN CAST(v AS TIMESTAMPTZ)
    ELSE trino_fail('Invalid format: "' || v || '"') END)[1];
CREATE OR REPLACE MACRO trino_from_iso8601_date(s) AS
  list_transform([s], lambda v: CASE
    WHEN v IS NULL OR regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN CAST(v AS DATE)
    ELSE trino_fail('Invalid format: "' || v || '"') END)[1];

-- JSON numbers round half away from zero, as doubles do.
CREATE OR REPLACE MACRO trino_json_integer(j) AS
  list_transform([j], lambda v: CASE json_type(v)
    WHEN 'DOUBLE' THEN CAST(CAST(round(CAST(v AS DOUBLE)) AS HUGEINT) AS VARCHAR)
    WHEN 'BOOLEAN' THEN CASE WHEN CAST(v AS BOOLEAN) THEN '1' ELSE '0' END
    ELSE trino_strict_integer(json_extract_string(v, '$')) END)[1];

-- JSON: text that is no JSON gives NULL, and only scalars are read as text.
CREATE OR REPLACE MACRO trino_json_extract_scalar(j, path) AS
  list_transform([CAST(j AS VARCHAR)], lambda v: CASE
    WHEN NOT json_valid(v) OR json_type(v, path) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(v, path) END)[1];
CREATE OR REPLACE MACRO trino_json_extract(j, path) AS
  list_transform([CAST(j AS VARCHAR)], lambda v: CASE WHEN json_valid(v) THEN json_extract(v, path) END)[1];

-- Bytes.
CREATE OR REPLACE MACRO trino_hex_word(digits, start) AS
  CAST(CAST(CAST('0x' || substring(digits, start, 16) AS UBIGINT) AS VARCHAR) AS BIGNUM);
CREATE OR REPLACE MACRO trino_bytes_to_uint256(x) AS
  list_transform([{'x': x, 'h': lpad(hex(x), 64, '0')}], lambda r: CASE
    WHEN r.x IS NULL THEN NULL
    WHEN octet_length(r.x) > 32 THEN trino_fail('bytearray is longer than 32 bytes: ' || octet_length(r.x))
    ELSE trino_bignum_product(trino_hex_word(r.h, 1), CAST('6277101735386680763835789423207666416102355444464034512896' AS BIGNUM))
       + trino_bignum_product(trino_hex_word(r.h, 17), CAST('340282366920938463463374607431768211456' AS BIGNUM))
       + trino_bignum_product(trino_hex_word(r.h, 33), CAST('18446744073709551616' AS BIGNUM))
       + trino_hex_word(r.h, 49) END)[1];
CREATE OR REPLACE MACRO trino_bytes_to_int256(x) AS
  list_transform([trino_bytes_to_uint256(x)], lambda v: CASE
    WHEN v >= CAST('57896044618658097711785492504343953926634992332820282019728792003956564819968' AS BIGNUM)
      THEN v - CAST('115792089237316195423570985008687907853269984665640564039457584007913129639936' AS BIGNUM)
    ELSE v END)[1];
CREATE OR REPLACE MACRO trino_bytes_to_bigint(x) AS
  list_transform([{'x': x, 'h': '0x' || lpad(hex(x), 16, '0')}], lambda r: CASE
    WHEN octet_length(r.x) > 8 THEN trino_fail('bytearray is longer than 8 bytes: ' || octet_length(r.x))
    ELSE CAST(CASE WHEN CAST(r.h AS UBIGINT) > 9223372036854775807
      THEN CAST(CAST(r.h AS UBIGINT) AS HUGEINT) - 18446744073709551616 ELSE CAST(CAST(r.h AS UBIGINT) AS HUGEINT) END AS BIGINT)
  END)[1];
CREATE OR REPLACE MACRO trino_bytes_substring(x, start) AS array_slice(x, start, octet_length(x)),
  (x, start, count) AS array_slice(x, start, start + count - 1);
CREATE OR REPLACE MACRO trino_bytes_concat(x, y) AS x || y;
CREATE OR REPLACE MACRO trino_to_hex(x) AS hex(x);
CREATE OR REPLACE MACRO trino_from_hex(x) AS unhex(regexp_replace(x, '^0x', ''));
CREATE OR REPLACE MACRO trino_bytes_starts_with(x, prefix) AS starts_with(hex(x), hex(prefix));
CREATE OR REPLACE MACRO trino_bytes_ltrim(x) AS unhex(regexp_replace(hex(x), '^(00)+', ''));
CREATE OR REPLACE MACRO trino_bytes_rtrim(x) AS unhex(regexp_replace(hex(x), '(00)+$', ''));

-- Links.
CREATE OR REPLACE MACRO trino_get_href(url, label) AS '<a href="' || url || '" target="_blank">' || label || '</a>';
CREATE OR REPLACE MACRO trino_get_chain_explorer(chain) AS
  list_transform([chain], lambda c: CASE c
    WHEN 'ethereum' THEN 'https://etherscan.io'
    WHEN 'arbitrum' THEN 'https://arbiscan.io'
    WHEN 'base' THEN 'https://basescan.org'
    WHEN 'polygon' THEN 'https://polygonscan.com'
    WHEN 'bnb' THEN 'https://bscscan.com'
    WHEN 'gnosis' THEN 'https://gnosisscan.io'
    ELSE CASE WHEN c IS NOT NULL THEN trino_fail('The explorer of chain ' || c || ' is not known to this emulator') END END)[1];
CREATE OR REPLACE MACRO trino_hex_text(x) AS CASE WHEN typeof(x) = 'BLOB' THEN '0x' || lower(hex(x)) ELSE CAST(x AS VARCHAR) END;
CREATE OR REPLACE MACRO trino_get_chain_explorer_address(chain, address) AS
  trino_get_chain_explorer(chain) || '/address/' || trino_hex_text(address);
CREATE OR REPLACE MACRO trino_get_chain_explorer_tx_hash(chain, hash) AS
  trino_get_chain_explorer(chain) || '/tx/' || trino_hex_text(hash);

-- Casts and checks of 256 bit integers.
CREATE OR REPLACE MACRO trino_uint256_range(x) AS
  list_transform([x], lambda v: CASE
    WHEN v < CAST(0 AS BIGNUM) OR v > CAST('115792089237316195423570985008687907853269984665640564039457584007913129639935' AS BIGNUM)
      THEN trino_fail('Value does not fit uint256: ' || CAST(v AS VARCHAR)) ELSE v END)[1];
CREATE OR REPLACE MACRO trino_int256_range(x) AS
  list_transform([x], lambda v: CASE
    WHEN v < CAST('-57896044618658097711785492504343953926634992332820282019728792003956564819968' AS BIGNUM)
      OR v > CAST('57896044618658097711785492504343953926634992332820282019728792003956564819967' AS BIGNUM)
      THEN trino_fail('Value does not fit int256: ' || CAST(v AS VARCHAR)) ELSE v END)[1];
CREATE OR REPLACE MACRO trino_json_text(x) AS trino_json_extract_scalar(x, '$');

-- NULL among the arguments makes the result NULL.
CREATE OR REPLACE MACRO trino_greatest(list) AS
  list_transform([list], lambda l: CASE WHEN len(list_filter(l, lambda x: x IS NULL)) = 0 THEN list_max(l) END)[1];
CREATE OR REPLACE MACRO trino_least(list) AS
  list_transform([list], lambda l: CASE WHEN len(list_filter(l, lambda x: x IS NULL)) = 0 THEN list_min(l) END)[1];

-- The parts of format.
CREATE OR REPLACE MACRO trino_grouped(text) AS
  list_transform([{'sign': CASE WHEN starts_with(text, '-') THEN '-' ELSE '' END, 'n': ltrim(text, '-')}], lambda r:
    r.sign || ltrim(reverse(regexp_replace(reverse(split_part(r.n, '.', 1)), '(...)', '\1,', 'g')), ',')
    || CASE WHEN contains(r.n, '.') THEN '.' || split_part(r.n, '.', 2) ELSE '' END)[1];
CREATE OR REPLACE MACRO trino_padded_left(text, width) AS
  list_transform([text], lambda v: CASE WHEN length(v) < width THEN lpad(v, width, ' ') ELSE v END)[1];
CREATE OR REPLACE MACRO trino_padded_right(text, width) AS
  list_transform([text], lambda v: CASE WHEN length(v) < width THEN rpad(v, width, ' ') ELSE v END)[1];
CREATE OR REPLACE MACRO trino_padded_zero(text, width) AS
  list_transform([text], lambda v: CASE
    WHEN length(v) >= width THEN v
    WHEN starts_with(v, '-') THEN '-' || lpad(ltrim(v, '-'), width - 1, '0')
    ELSE lpad(v, width, '0') END)[1];

-- Stand-ins of the same type without a constant, for plans that are only bound.
CREATE OR REPLACE MACRO shape_bignum_product(a, b) AS a + b;
CREATE OR REPLACE MACRO shape_bignum_division(a, b) AS
  list_transform([a + b], lambda v: {'q': v, 'r': v})[1];
CREATE OR REPLACE MACRO shape_bignum_difference(a, b) AS a - b;
CREATE OR REPLACE MACRO shape_uint256_range(x) AS x;
CREATE OR REPLACE MACRO shape_int256_range(x) AS x;
CREATE OR REPLACE MACRO shape_bytes_to_uint256(x) AS CAST(octet_length(x) + trunc(random()) AS BIGNUM);
CREATE OR REPLACE MACRO shape_bytes_to_int256(x) AS CAST(octet_length(x) + trunc(random()) AS BIGNUM);
CREATE OR REPLACE MACRO shape_decimal_quotient(a, b, zeros, scale) AS CAST(a AS VARCHAR) || CAST(b AS VARCHAR);
