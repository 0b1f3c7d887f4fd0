-- Aggregates: what is made of the values that were collected.
CREATE OR REPLACE MACRO trino_most_frequent(items, count) AS
  list_transform([{'h': trino_array_histogram(items), 'n': count}], lambda r: map_from_entries(list_transform(
    list_slice(list_sort(list_transform(map_entries(r.h), lambda e: {'c': -e.value, 'k': e.key})), 1, r.n),
    lambda e: {'k': e.k, 'v': -e.c})))[1];
-- Exact: as many buckets as there are values, each with its count.
CREATE OR REPLACE MACRO trino_numeric_histogram(items, buckets) AS
  list_transform([{'l': list_sort(list_filter(items, lambda x: x IS NOT NULL)), 'n': buckets}], lambda r: CASE
    WHEN r.n < 2 THEN map_from_entries([{'k': CAST(trino_fail('numeric_histogram bucket count must be greater than one') AS DOUBLE), 'v': 0e0}])
    WHEN len(list_distinct(r.l)) > r.n
    THEN map_from_entries([{'k': CAST(trino_fail('numeric_histogram of more values than buckets is not supported by this emulator') AS DOUBLE), 'v': 0e0}])
    WHEN len(r.l) > 0 THEN map_from_entries(list_transform(
      list_sort(list_distinct(r.l)), lambda key: {'k': key, 'v': CAST(len(list_filter(r.l, lambda x: x = key)) AS DOUBLE)}))
    END)[1];
CREATE OR REPLACE MACRO trino_checksum(hashes) AS
  py_checksum_bytes(CAST(list_sum(list_transform(hashes, lambda h: CAST(h AS HUGEINT))) AS VARCHAR));
-- Of sorted values, the first below which more than a share of them lies.
CREATE OR REPLACE MACRO trino_value_at_quantile(digest, share) AS
  list_transform([{'d': digest, 'q': share}], lambda r: CASE
    WHEN r.q < 0 OR r.q > 1 THEN list_extract(r.d, CAST(trino_fail('quantile must be between 0 and 1') AS BIGINT))
    WHEN len(r.d) = 0 THEN NULL
    ELSE list_extract(r.d, least(len(r.d), CAST(floor(r.q * len(r.d)) AS BIGINT) + 1)) END)[1];
CREATE OR REPLACE MACRO trino_quantile_at_value(digest, value) AS
  list_transform([{'d': digest, 'v': value}], lambda r: CASE
    WHEN r.v IS NULL OR len(r.d) = 0 OR r.v < list_extract(r.d, 1) OR r.v > list_extract(r.d, -1) THEN NULL
    ELSE len(list_filter(r.d, lambda x: x < r.v)) / CAST(len(r.d) AS DOUBLE) END)[1];
-- Whatever ON OVERFLOW says: what is too long is an error.
CREATE OR REPLACE MACRO trino_listagg(joined) AS
  list_transform([joined], lambda v: CASE WHEN strlen(v) > 1048576
    THEN trino_fail('Concatenated string has more than 1048576 bytes, which listagg does not hold here') ELSE v END)[1];
