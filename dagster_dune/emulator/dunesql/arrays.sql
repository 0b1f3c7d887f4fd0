-- Arrays and maps.
CREATE OR REPLACE MACRO trino_map() AS MAP {}, (ks, vs) AS map(ks, vs);
CREATE OR REPLACE MACRO trino_map_subscript(m, k) AS
  list_transform([{'m': m, 'k': k}], lambda r: CASE
    WHEN r.m IS NOT NULL AND r.k IS NOT NULL AND NOT map_contains(r.m, r.k)
      THEN trino_fail('Key not present in map: ' || CAST(r.k AS VARCHAR))
    ELSE map_extract_value(r.m, r.k) END)[1];
-- Of entries {k, v}: the first of each key, and none without a key.
CREATE OR REPLACE MACRO trino_map_of_entries(entries) AS
  list_transform([list_sort(list_transform(list_filter(entries, lambda e: e.k IS NOT NULL), lambda e, i: {'k': e.k, 'i': i, 'v': e.v}))],
    lambda l: map_from_entries(list_transform(
      list_filter(list_zip(l, list_prepend(NULL, l)), lambda p: p[1] IS NOT NULL AND p[1].k IS DISTINCT FROM p[2].k),
      lambda p: {'k': p[1].k, 'v': p[1].v})))[1];

-- Whether any or all of some conditions hold; NULL where one that is not known decides.
CREATE OR REPLACE MACRO trino_any(conditions) AS
  list_transform([conditions], lambda l: CASE
    WHEN list_contains(l, true) THEN true
    WHEN len(list_filter(l, lambda x: x IS NULL)) = 0 THEN false END)[1];
CREATE OR REPLACE MACRO trino_all(conditions) AS
  list_transform([conditions], lambda l: CASE
    WHEN list_contains(l, false) THEN false
    WHEN len(list_filter(l, lambda x: x IS NULL)) = 0 THEN true END)[1];
CREATE OR REPLACE MACRO trino_none(conditions) AS NOT trino_any(conditions);

-- DuckDB's array_to_string takes no separator that is computed.
CREATE OR REPLACE MACRO trino_array_join(texts, separator) AS
  list_transform([{'l': list_filter(texts, lambda x: x IS NOT NULL), 's': separator}], lambda r:
    substr(list_reduce(r.l, lambda done, x: done || r.s || x, ''), length(r.s) + 1))[1],
  (texts, separator, missing) AS
  list_transform([{'l': texts, 's': separator, 'm': missing}], lambda r:
    substr(list_reduce(list_transform(r.l, lambda x: coalesce(x, r.m)), lambda done, x: done || r.s || x, ''), length(r.s) + 1))[1];
CREATE OR REPLACE MACRO trino_array_distinct(l) AS
  list_transform([l], lambda a: list_filter(a, lambda x, i: list_position(a, x) = i))[1];
CREATE OR REPLACE MACRO trino_array_sort(l) AS list_sort(l, 'ASC', 'NULLS LAST');
CREATE OR REPLACE MACRO trino_array_position(l, element) AS
  list_transform([{'l': l, 'e': element}], lambda r: CASE
    WHEN r.l IS NOT NULL AND r.e IS NOT NULL THEN CAST(coalesce(list_position(r.l, r.e), 0) AS BIGINT) END)[1];
CREATE OR REPLACE MACRO trino_array_remove(l, element) AS
  list_transform([{'l': l, 'e': element}], lambda r: CASE
    WHEN r.e IS NOT NULL THEN list_filter(r.l, lambda x: x IS DISTINCT FROM r.e) END)[1];
CREATE OR REPLACE MACRO trino_array_union(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.a IS NOT NULL AND r.b IS NOT NULL THEN trino_array_distinct(list_concat(r.a, r.b)) END)[1];
CREATE OR REPLACE MACRO trino_array_intersect(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.b IS NOT NULL THEN trino_array_distinct(list_filter(r.a, lambda x: list_position(r.b, x) IS NOT NULL)) END)[1];
CREATE OR REPLACE MACRO trino_array_except(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.b IS NOT NULL THEN trino_array_distinct(list_filter(r.a, lambda x: list_position(r.b, x) IS NULL)) END)[1];
CREATE OR REPLACE MACRO trino_has_null(l) AS len(list_filter(l, lambda x: x IS NULL)) > 0;
CREATE OR REPLACE MACRO trino_arrays_overlap(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.a IS NULL OR r.b IS NULL THEN NULL
    WHEN list_has_any(list_filter(r.a, lambda x: x IS NOT NULL), r.b) THEN true
    WHEN trino_has_null(r.a) OR trino_has_null(r.b) THEN NULL
    ELSE false END)[1];
CREATE OR REPLACE MACRO trino_repeat(element, count) AS
  list_transform([{'e': element, 'n': count}], lambda r: list_transform(range(0, r.n), lambda i: r.e))[1];
CREATE OR REPLACE MACRO trino_slice(l, start, count) AS
  list_transform([{'l': l, 'i': start, 'n': count}], lambda r: CASE
    WHEN r.i = 0 THEN trino_fail('SQL array indices start at 1')
    WHEN r.n < 0 THEN trino_fail('length must be greater than or equal to 0')
    WHEN r.l IS NULL OR r.i IS NULL OR r.n IS NULL THEN NULL
    WHEN abs(r.i) > len(r.l) OR r.n = 0 THEN list_slice(r.l, 1, 0)
    WHEN r.i > 0 THEN list_slice(r.l, r.i, r.i + r.n - 1)
    ELSE list_slice(r.l, len(r.l) + r.i + 1, len(r.l) + r.i + r.n) END)[1];
CREATE OR REPLACE MACRO trino_split_to_map(s, entry_delimiter, key_delimiter) AS
  list_transform([{'d': key_delimiter, 'l': CASE
      WHEN s = '' THEN CAST([] AS VARCHAR[])
      WHEN suffix(s, entry_delimiter) THEN split(left(s, -length(entry_delimiter)), entry_delimiter)
      ELSE split(s, entry_delimiter) END}], lambda r: map(
    list_transform(r.l, lambda p: CASE WHEN len(split(p, r.d)) = 2 THEN split_part(p, r.d, 1)
      ELSE trino_fail('Key-value delimiter must appear exactly once in each entry. Bad input: ' || p) END),
    list_transform(r.l, lambda p: split_part(p, r.d, 2))))[1];
