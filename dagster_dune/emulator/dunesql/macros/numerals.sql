-- Numbers in other bases, exactly: digits are lists, and each digit that comes in is multiplied into those that are there.

-- Digits, the highest first, of one radix as `size` digits of another, the lowest first.
CREATE OR REPLACE MACRO trino_rebased(digits, radix, base, size) AS
  list_reduce(digits, lambda done, digit:
    list_reduce(done, lambda state, each: {
      'carry': (each * radix + state.carry) // base,
      'out': list_append(state.out, (each * radix + state.carry) % base)},
      {'carry': digit, 'out': CAST([] AS UBIGINT[])}).out,
    list_transform(range(size), lambda i: 0::UBIGINT));

-- Base 58, five digits at a time beside 32 bits at a time.
CREATE OR REPLACE MACRO trino_base58_letters() AS '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
CREATE OR REPLACE MACRO trino_base58_digit(letter) AS CAST(strpos(trino_base58_letters(), letter) - 1 AS UBIGINT);
CREATE OR REPLACE MACRO trino_base58_number(letters) AS
  list_reduce(split(letters, ''), lambda done, letter: done * 58 + trino_base58_digit(letter), 0::UBIGINT);
CREATE OR REPLACE MACRO trino_leading(s, letter) AS length(s) - length(ltrim(s, letter));
CREATE OR REPLACE MACRO trino_from_base58(s) AS
  list_transform([s], lambda v: CASE
    WHEN NOT regexp_full_match(v, '[1-9A-HJ-NP-Za-km-z]*') THEN trino_fail('Invalid base58 string: ' || v)
    ELSE list_transform([{
        'digits': list_transform(range(0, (length(v) + 4) // 5), lambda i: trino_base58_number(
          substr(lpad(v, CAST((length(v) + 4) // 5 * 5 AS INTEGER), '1'), CAST(i * 5 + 1 AS BIGINT), 5))),
        'size': (length(v) * 6 + 31) // 32}],
      lambda n: unhex(repeat('00', trino_leading(v, '1')) || regexp_replace(
        trino_limbs_hex(trino_rebased(n.digits, 656356768::UBIGINT, 4294967296::UBIGINT, n.size)), '^(00)+', '')))[1] END)[1];
CREATE OR REPLACE MACRO trino_limbs_hex(limbs) AS
  list_reduce(list_transform(limbs, lambda limb: lpad(hex(limb), 8, '0')), lambda done, text: text || done, '');
CREATE OR REPLACE MACRO trino_hex_limbs(digits) AS
  list_transform(range(0, length(digits) // 8),
                 lambda i: CAST('0x' || substr(digits, CAST(i * 8 + 1 AS BIGINT), 8) AS UBIGINT));
CREATE OR REPLACE MACRO trino_base58_text(number) AS
  list_reduce(range(0, 5), lambda s, i: {'n': s.n // 58, 't': trino_base58_letters()[CAST(s.n % 58 + 1 AS BIGINT)] || s.t},
              {'n': number, 't': ''}).t;
CREATE OR REPLACE MACRO trino_to_base58(x) AS
  list_transform([hex(x)], lambda h: list_transform([{
      'limbs': trino_hex_limbs(lpad(h, CAST((length(h) + 7) // 8 * 8 AS INTEGER), '0')),
      'size': (length(h) * 4 + 28) // 29}],
    lambda n: repeat('1', trino_leading_zero_bytes(h)) || ltrim(list_reduce(
      list_transform(trino_rebased(n.limbs, 4294967296::UBIGINT, 656356768::UBIGINT, n.size),
                     lambda digit: trino_base58_text(digit)),
      lambda done, text: text || done, ''), '1'))[1])[1];
CREATE OR REPLACE MACRO trino_leading_zero_bytes(digits) AS
  (length(digits) - length(regexp_replace(digits, '^(00)+', ''))) // 2;

-- A number of 256 bits as 64 hexadecimal digits, and back.
CREATE OR REPLACE MACRO trino_uint256_hex(x) AS
  list_transform([lpad(CAST(x AS VARCHAR), 81, '0')], lambda v: trino_limbs_hex(trino_rebased(
    list_transform(range(0, 9), lambda i: CAST(substr(v, CAST(i * 9 + 1 AS BIGINT), 9) AS UBIGINT)),
    1000000000::UBIGINT, 4294967296::UBIGINT, 8)))[1];
CREATE OR REPLACE MACRO trino_hex_number(digits) AS
  CAST(list_reduce(list_transform(
    trino_rebased(trino_hex_limbs(digits), 4294967296::UBIGINT, 1000000000::UBIGINT, 9),
    lambda part: lpad(CAST(part AS VARCHAR), 9, '0')), lambda done, text: text || done, '') AS BIGNUM);
CREATE OR REPLACE MACRO trino_uint256_bytes(x) AS unhex(trino_uint256_hex(trino_uint256_range(CAST(x AS BIGNUM))));

-- Bits of unsigned numbers of 256 bits.
CREATE OR REPLACE MACRO trino_wide_limbs(x) AS trino_hex_limbs(trino_uint256_hex(trino_uint256_range(CAST(x AS BIGNUM))));
CREATE OR REPLACE MACRO trino_limbs_number(limbs) AS
  trino_hex_number(array_to_string(list_transform(limbs, lambda limb: lpad(hex(limb), 8, '0')), ''));
CREATE OR REPLACE MACRO trino_wide_and(x, y) AS trino_limbs_number(
  list_transform(list_zip(trino_wide_limbs(x), trino_wide_limbs(y)), lambda pair: pair[1] & pair[2]));
CREATE OR REPLACE MACRO trino_wide_or(x, y) AS trino_limbs_number(
  list_transform(list_zip(trino_wide_limbs(x), trino_wide_limbs(y)), lambda pair: pair[1] | pair[2]));
CREATE OR REPLACE MACRO trino_wide_xor(x, y) AS trino_limbs_number(
  list_transform(list_zip(trino_wide_limbs(x), trino_wide_limbs(y)), lambda pair: xor(pair[1], pair[2])));
CREATE OR REPLACE MACRO trino_wide_left_shift(x, n) AS
  list_transform([{'h': trino_uint256_hex(trino_uint256_range(CAST(x AS BIGNUM))), 'n': CAST(n AS INTEGER)}], lambda r: CASE
    WHEN r.n < 0 THEN trino_fail('Shift must be at least 0, got ' || r.n)
    WHEN r.n > 255 OR r.n // 4 > trino_leading(r.h, '0') THEN trino_fail('uint256 shift overflow: ' || r.n || ' bits')
    ELSE trino_uint256_range(trino_bignum_product(
      trino_hex_number(substr(r.h, r.n // 4 + 1) || repeat('0', r.n // 4)), CAST(1 << (r.n % 4) AS BIGNUM))) END)[1];
CREATE OR REPLACE MACRO trino_wide_right_shift(x, n) AS
  list_transform([{'h': trino_uint256_hex(trino_uint256_range(CAST(x AS BIGNUM))), 'n': CAST(n AS INTEGER)}], lambda r: CASE
    WHEN r.n < 0 THEN trino_fail('Shift must be at least 0, got ' || r.n)
    WHEN r.n > 255 THEN CAST(0 AS BIGNUM)
    ELSE trino_bignum_division(trino_hex_number(lpad(substr(r.h, 1, 64 - r.n // 4), 64, '0')),
                               CAST(1 << (r.n % 4) AS BIGNUM)).q END)[1];
CREATE OR REPLACE MACRO shape_wide_and(x, y) AS x + y;
CREATE OR REPLACE MACRO shape_wide_or(x, y) AS x + y;
CREATE OR REPLACE MACRO shape_wide_xor(x, y) AS x + y;
CREATE OR REPLACE MACRO shape_wide_left_shift(x, n) AS
  CAST(x AS BIGNUM) + CAST(length(CAST(n AS VARCHAR)) + trunc(random()) AS BIGNUM);
CREATE OR REPLACE MACRO shape_wide_right_shift(x, n) AS
  CAST(x AS BIGNUM) + CAST(length(CAST(n AS VARCHAR)) + trunc(random()) AS BIGNUM);
CREATE OR REPLACE MACRO shape_uint256_bytes(x) AS encode(CAST(x AS VARCHAR));
