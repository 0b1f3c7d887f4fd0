-- Keccak-256 as Ethereum uses it: a sponge of 25 words of 64 bits, whose word (x, y) is element 5y + x + 1 of a list.
-- What a step needs more than once is bound by a lambda first, since a macro is put in place of its call.
CREATE OR REPLACE MACRO trino_rotated(word, n) AS CASE
  WHEN n = 0 THEN word ELSE ((word & ((1::UBIGINT << (64 - n)) - 1)) << n) | (word >> (64 - n)) END;
CREATE OR REPLACE MACRO trino_keccak_theta(s) AS
  list_transform([list_transform(range(1, 6), lambda x: xor(xor(xor(xor(s[x], s[x + 5]), s[x + 10]), s[x + 15]), s[x + 20]))],
    lambda c: list_transform(s, lambda word, i:
      xor(word, xor(c[(i + 3) % 5 + 1], trino_rotated(c[i % 5 + 1], 1::UBIGINT)))))[1];
-- Where each word comes from, and how far it is turned.
CREATE OR REPLACE MACRO trino_keccak_rho_pi(s) AS
  list_transform([1, 7, 13, 19, 25, 4, 10, 11, 17, 23, 2, 8, 14, 20, 21, 5, 6, 12, 18, 24, 3, 9, 15, 16, 22],
    lambda source, i: trino_rotated(s[source],
      ([0, 44, 43, 21, 14, 28, 20, 3, 45, 61, 1, 6, 25, 8, 18, 27, 36, 10, 15, 56, 62, 55, 39, 41, 2]::UBIGINT[])[i]));
CREATE OR REPLACE MACRO trino_keccak_chi(s) AS
  list_transform(s, lambda word, i:
    xor(word, (~s[(i - 1) // 5 * 5 + i % 5 + 1]) & s[(i - 1) // 5 * 5 + (i + 1) % 5 + 1]));
CREATE OR REPLACE MACRO trino_keccak_round(s, round_constant) AS
  list_transform([trino_keccak_theta(s)], lambda a:
    list_transform([trino_keccak_rho_pi(a)], lambda b:
      list_transform(trino_keccak_chi(b), lambda word, i: CASE WHEN i = 1 THEN xor(word, round_constant) ELSE word END))[1])[1];
CREATE OR REPLACE MACRO trino_keccak_permutation(s) AS
  list_reduce(list_transform([
      '0000000000000001', '0000000000008082', '800000000000808a', '8000000080008000', '000000000000808b', '0000000080000001',
      '8000000080008081', '8000000000008009', '000000000000008a', '0000000000000088', '0000000080008009', '000000008000000a',
      '000000008000808b', '800000000000008b', '8000000000008089', '8000000000008003', '8000000000008002', '8000000000000080',
      '000000000000800a', '800000008000000a', '8000000080008081', '8000000000008080', '0000000080000001', '8000000080008008'
    ], lambda digits: CAST('0x' || digits AS UBIGINT)), lambda a, round_constant: trino_keccak_round(a, round_constant), s);
CREATE OR REPLACE MACRO trino_swapped(digits) AS
  array_to_string(list_transform(range(8), lambda byte: substr(digits, CAST(15 - 2 * byte AS BIGINT), 2)), '');
-- The message, padded to blocks of 136 bytes, as lists of words; the rest of each list is zeros.
CREATE OR REPLACE MACRO trino_keccak_blocks(digits, missing) AS
  list_transform([digits || CASE WHEN missing = 1 THEN '81' ELSE '01' || repeat('00', missing - 2) || '80' END], lambda h:
    list_transform(range(length(h) // 272), lambda block: list_transform(range(25), lambda i: CASE
      WHEN i < 17 THEN CAST('0x' || trino_swapped(substr(h, CAST(block * 272 + i * 16 + 1 AS BIGINT), 16)) AS UBIGINT)
      ELSE 0::UBIGINT END)))[1];
CREATE OR REPLACE MACRO trino_keccak(x) AS
  list_transform([hex(x)], lambda h: CASE WHEN h IS NOT NULL THEN
    list_transform([list_reduce(
      trino_keccak_blocks(h, 136 - (length(h) // 2) % 136),
      lambda s, block: list_transform([list_transform(s, lambda word, i: xor(word, block[i]))], lambda a: trino_keccak_permutation(a))[1],
      list_transform(range(25), lambda i: 0::UBIGINT))],
      lambda s: array_to_string(list_transform(s[1:4], lambda word: trino_swapped(lpad(hex(word), 16, '0'))), ''))[1] END)[1];
