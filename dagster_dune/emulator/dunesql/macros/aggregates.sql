-- Aggregates: what is made of the values that were collected.
CREATE OR REPLACE MACRO trino_most_frequent(items, count) AS
  list_transform([{'h': trino_array_histogram(items), 'n': count}], lambda r: map_from_entries(list_transform(
    list_slice(list_sort(list_transform(map_entries(r.h), lambda e: {'c': -e.value, 'k': e.key})), 1, r.n),
    lambda e: {'k': e.k, 'v': -e.c})))[1];
CREATE OR REPLACE MACRO trino_checksum(hashes) AS
  py_checksum_bytes(CAST(list_sum(list_transform(hashes, lambda h: CAST(h AS HUGEINT))) AS VARCHAR));
