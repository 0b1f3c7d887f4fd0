-- What Trino's functions mean, said in DuckDB's SQL. A macro has no types of its own and is put in place of its call, so an
-- argument that is needed more than once is bound first, as the field of a struct, or nested calls would grow exponentially.

-- Fails the statement where it is evaluated. A failing cast, unlike error(), may stand inside TRY.
CREATE OR REPLACE MACRO trino_fail(message) AS list_extract([NULL], CAST('trino: ' || message AS BIGINT));

CREATE OR REPLACE MACRO trino_position(x) AS CASE WHEN x < 1 THEN trino_fail('Offset must be at least 1') ELSE x END;
CREATE OR REPLACE MACRO trino_share(x) AS
  CASE WHEN x < 0 OR x > 1 THEN trino_fail('Percentile must be between 0 and 1') ELSE x END;
CREATE OR REPLACE MACRO trino_shares(list) AS
  CASE WHEN list_min(list) < 0 OR list_max(list) > 1 THEN CAST([trino_fail('Percentile must be between 0 and 1')] AS DOUBLE[]) ELSE list END;
CREATE OR REPLACE MACRO trino_row_count(x) AS
  CASE WHEN x <= 0 THEN trino_fail('third argument of max_n/min_n must be a positive integer') ELSE x END;
CREATE OR REPLACE MACRO trino_offset(x) AS
  CASE WHEN x IS NULL THEN trino_fail('Offset must not be null') WHEN x < 0 THEN trino_fail('Offset must be at least 0') ELSE x END;
CREATE OR REPLACE MACRO trino_frame_offset(x) AS
  CASE WHEN x >= 0 THEN x ELSE trino_fail('Window frame offset value must not be negative or null') END;

-- The clock stands still at the end of the sample data.
CREATE OR REPLACE MACRO trino_now() AS TIMESTAMPTZ '2026-07-01 00:00:00+00';
CREATE OR REPLACE MACRO trino_today() AS DATE '2026-07-01';

-- Numbers.
CREATE OR REPLACE MACRO trino_strict_integer(x, name) AS
  list_transform([x], lambda v: CASE WHEN v IS NULL OR regexp_full_match(v, '[+-]?[0-9]+') THEN v
    ELSE trino_fail('Cannot cast ''' || v || ''' to ' || upper(name)) END)[1];
CREATE OR REPLACE MACRO trino_rounded(x, name) AS
  list_transform([round(x)], lambda v: CASE WHEN isnan(v) OR isinf(v)
    THEN trino_fail('Cannot cast ' || CAST(v AS VARCHAR) || ' to ' || name) ELSE v END)[1];
CREATE OR REPLACE MACRO trino_sign(x) AS
  list_transform([x], lambda v: CASE WHEN isnan(v) THEN v ELSE CAST(sign(v) AS DOUBLE) END)[1];
-- Rounds by Trino's formula: multiply, round half away from zero, divide.
CREATE OR REPLACE MACRO trino_round(x, digits) AS
  list_transform([{'x': x, 'f': power(10e0, digits)}], lambda r: CASE
    WHEN r.f IS NULL THEN NULL
    WHEN r.f = 0 AND isfinite(r.x) THEN r.x * 0
    WHEN abs(r.x) * r.f < 9223372036854775807e0 THEN round(r.x * r.f) / r.f ELSE r.x END)[1];
-- DuckDB leaves out the zero of a decimal that has no other digit before its point.
CREATE OR REPLACE MACRO trino_decimal_text(x) AS
  list_transform([CAST(x AS VARCHAR)], lambda v: CASE WHEN starts_with(v, '.') THEN '0' || v
    WHEN starts_with(v, '-.') THEN '-0' || substr(v, 2) ELSE v END)[1];
CREATE OR REPLACE MACRO trino_finite(x) AS list_transform([x], lambda v: CASE WHEN isfinite(v) THEN v END)[1];
CREATE OR REPLACE MACRO trino_asin(x) AS
  list_transform([x], lambda v: CASE WHEN abs(v) <= 1 THEN asin(v) WHEN v IS NOT NULL THEN CAST('NaN' AS DOUBLE) END)[1];
CREATE OR REPLACE MACRO trino_acos(x) AS
  list_transform([x], lambda v: CASE WHEN abs(v) <= 1 THEN acos(v) WHEN v IS NOT NULL THEN CAST('NaN' AS DOUBLE) END)[1];
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
CREATE OR REPLACE MACRO trino_width_bucket(x, low, high, buckets) AS
  list_transform([{'x': CAST(x AS DOUBLE), 'a': CAST(low AS DOUBLE), 'b': CAST(high AS DOUBLE), 'n': CAST(buckets AS BIGINT)}], lambda r: CASE
    WHEN r.n < 1 THEN trino_fail('bucketCount must be greater than 0')
    WHEN isnan(r.x) THEN trino_fail('operand must not be NaN')
    WHEN NOT isfinite(r.a) THEN trino_fail('first bound must be finite')
    WHEN NOT isfinite(r.b) THEN trino_fail('second bound must be finite')
    WHEN r.a = r.b THEN trino_fail('bounds cannot equal each other')
    WHEN r.a < r.b THEN CASE WHEN r.x < r.a THEN 0 WHEN r.x >= r.b THEN r.n + 1
      ELSE CAST(floor(r.n * (r.x - r.a) / (r.b - r.a)) AS BIGINT) + 1 END
    ELSE CASE WHEN r.x > r.a THEN 0 WHEN r.x <= r.b THEN r.n + 1
      ELSE CAST(floor(r.n * (r.a - r.x) / (r.a - r.b)) AS BIGINT) + 1 END END)[1];
-- A whole number drawn from the first bound up to the second, which is left out.
CREATE OR REPLACE MACRO trino_random_between(low, high, failure) AS
  list_transform([{'a': CAST(low AS HUGEINT), 'b': CAST(high AS HUGEINT), 'r': random()}], lambda r: CASE
    WHEN r.a >= r.b THEN trino_fail(failure) ELSE CAST(r.a + CAST(floor(r.r * (r.b - r.a)) AS HUGEINT) AS BIGINT) END)[1];
CREATE OR REPLACE MACRO trino_wilson_lower(successes, trials, z) AS
  list_transform([{'s': CAST(successes AS DOUBLE), 'n': CAST(trials AS DOUBLE), 'z': z}], lambda r: CASE
    WHEN r.s < 0 THEN trino_fail('number of successes must not be negative')
    WHEN r.n <= 0 THEN trino_fail('number of trials must be positive')
    WHEN r.s > r.n THEN trino_fail('number of successes must not be larger than number of trials')
    WHEN r.z < 0 THEN trino_fail('z-score must not be negative')
    ELSE (r.s / r.n + r.z * r.z / (2 * r.n) - r.z * sqrt(r.s / r.n * (1 - r.s / r.n) / r.n + r.z * r.z / (4 * r.n * r.n))) / (1 + r.z * r.z / r.n) END)[1];
CREATE OR REPLACE MACRO trino_wilson_upper(successes, trials, z) AS
  list_transform([{'s': CAST(successes AS DOUBLE), 'n': CAST(trials AS DOUBLE), 'z': z}], lambda r: CASE
    WHEN r.s < 0 THEN trino_fail('number of successes must not be negative')
    WHEN r.n <= 0 THEN trino_fail('number of trials must be positive')
    WHEN r.s > r.n THEN trino_fail('number of successes must not be larger than number of trials')
    WHEN r.z < 0 THEN trino_fail('z-score must not be negative')
    ELSE (r.s / r.n + r.z * r.z / (2 * r.n) + r.z * sqrt(r.s / r.n * (1 - r.s / r.n) / r.n + r.z * r.z / (4 * r.n * r.n))) / (1 + r.z * r.z / r.n) END)[1];
CREATE OR REPLACE MACRO trino_norm(m) AS sqrt(list_sum(list_transform(map_values(m), lambda v: v * v)));
CREATE OR REPLACE MACRO trino_cosine_similarity(m, n) AS
  list_transform([{'m': m, 'n': n}], lambda r: CASE WHEN r.m IS NOT NULL AND r.n IS NOT NULL
    AND NOT trino_has_null(map_values(r.m)) AND NOT trino_has_null(map_values(r.n)) THEN
    list_sum(list_transform(map_keys(r.m), lambda k: map_extract_value(r.m, k) * coalesce(map_extract_value(r.n, k), 0e0)))
    / (trino_norm(r.m) * trino_norm(r.n)) END)[1];
CREATE OR REPLACE MACRO trino_array_cosine(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.a IS NULL OR r.b IS NULL THEN NULL
    WHEN len(r.a) <> len(r.b) THEN trino_fail('The arguments must have the same length')
    WHEN trino_has_null(r.a) OR trino_has_null(r.b) THEN NULL
    WHEN coalesce(list_max(list_transform(r.a, lambda x: abs(x))), 0) = 0 OR coalesce(list_max(list_transform(r.b, lambda x: abs(x))), 0) = 0
      THEN trino_fail('Vector magnitude cannot be zero')
    ELSE list_cosine_similarity(r.a, r.b) END)[1];
CREATE OR REPLACE MACRO trino_uint256_range(x) AS
  list_transform([x], lambda v: CASE
    WHEN v < CAST(0 AS BIGNUM) OR v > CAST('115792089237316195423570985008687907853269984665640564039457584007913129639935' AS BIGNUM)
      THEN trino_fail('uint256 overflow: ' || CAST(v AS VARCHAR)) ELSE v END)[1];
CREATE OR REPLACE MACRO trino_int256_range(x) AS
  list_transform([x], lambda v: CASE
    WHEN v < CAST('-57896044618658097711785492504343953926634992332820282019728792003956564819968' AS BIGNUM)
      OR v > CAST('57896044618658097711785492504343953926634992332820282019728792003956564819967' AS BIGNUM)
      THEN trino_fail('int256 overflow: ' || CAST(v AS VARCHAR)) ELSE v END)[1];

-- NULL among the arguments makes the result NULL; NaN gives way to any number.
CREATE OR REPLACE MACRO trino_greatest(list) AS
  list_transform([list], lambda l: CASE WHEN len(list_filter(l, lambda x: x IS NULL)) = 0 THEN list_max(l) END)[1];
CREATE OR REPLACE MACRO trino_least(list) AS
  list_transform([list], lambda l: CASE WHEN len(list_filter(l, lambda x: x IS NULL)) = 0 THEN list_min(l) END)[1];
CREATE OR REPLACE MACRO trino_greatest_double(list) AS
  list_transform([list], lambda l: CASE WHEN len(list_filter(l, lambda x: x IS NULL)) = 0
    THEN coalesce(list_max(list_filter(l, lambda x: NOT isnan(x))), list_max(l)) END)[1];
CREATE OR REPLACE MACRO trino_least_double(list) AS
  list_transform([list], lambda l: CASE WHEN len(list_filter(l, lambda x: x IS NULL)) = 0
    THEN coalesce(list_min(list_filter(l, lambda x: NOT isnan(x))), list_min(l)) END)[1];

-- Text.
CREATE OR REPLACE MACRO trino_short_text(s, most) AS
  list_transform([s], lambda v: CASE WHEN length(v) > most
    THEN CAST(trino_fail('Value ' || v || ' cannot be represented as varchar(' || most || ')') AS VARCHAR) ELSE v END)[1];
-- Letter by letter: one that has no capital of one letter stays as it is.
-- DuckDB makes two letters of ß, which Trino leaves alone: a code point that is no character stands for it meanwhile.
CREATE OR REPLACE MACRO trino_upper(s) AS replace(upper(replace(s, 'ß', chr(1114110))), chr(1114110), 'ß');
CREATE OR REPLACE MACRO trino_codepoint(s) AS
  list_transform([s], lambda v: CASE WHEN length(v) <> 1
    THEN trino_fail('Input string must be a single character string: ' || v) ELSE ord(v) END)[1];
CREATE OR REPLACE MACRO trino_substr(s, start) AS
  list_transform([{'s': s, 'i': start}], lambda r: CASE
    WHEN r.i = 0 OR abs(r.i) > length(r.s) THEN CASE WHEN r.s IS NOT NULL AND r.i IS NOT NULL THEN '' END
    ELSE substring(r.s, r.i) END)[1],
  (s, start, count) AS
  list_transform([{'s': s, 'i': start, 'n': count}], lambda r: CASE
    WHEN r.i = 0 OR abs(r.i) > length(r.s) OR r.n <= 0
      THEN CASE WHEN r.s IS NOT NULL AND r.i IS NOT NULL AND r.n IS NOT NULL THEN '' END
    ELSE substring(r.s, r.i, least(r.n, 2147483647)) END)[1];
CREATE OR REPLACE MACRO trino_split_part(s, delimiter, position) AS
  list_transform([{'p': CASE WHEN delimiter = '' THEN string_split(s, '') ELSE py_split(s, delimiter, 2147483647) END, 'i': position}], lambda r: CASE
    WHEN r.i < 1 THEN trino_fail('Index must be greater than zero') ELSE list_extract(r.p, r.i) END)[1];
-- What Java calls a blank, which a no-break space is not.
CREATE OR REPLACE MACRO trino_blanks() AS ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(28) || chr(29) || chr(30)
  || chr(31) || chr(5760) || chr(8192) || chr(8193) || chr(8194) || chr(8195) || chr(8196) || chr(8197) || chr(8198) || chr(8200)
  || chr(8201) || chr(8202) || chr(8232) || chr(8233) || chr(8287) || chr(12288);
CREATE OR REPLACE MACRO trino_left(s, n) AS left(s, CAST(greatest(n, 0) AS BIGINT));
CREATE OR REPLACE MACRO trino_right(s, n) AS right(s, CAST(greatest(n, 0) AS BIGINT));

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
