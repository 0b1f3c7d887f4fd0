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
CREATE OR REPLACE MACRO trino_array_concat(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE WHEN r.a IS NOT NULL AND r.b IS NOT NULL THEN list_concat(r.a, r.b) END)[1];
CREATE OR REPLACE MACRO trino_contains(list, element) AS
  list_transform([{'l': list, 'e': element}], lambda r: CASE
    WHEN r.l IS NULL OR r.e IS NULL THEN NULL
    WHEN list_contains(r.l, r.e) THEN true
    WHEN len(list_filter(r.l, lambda x: x IS NULL)) > 0 THEN NULL
    ELSE false END)[1];
CREATE OR REPLACE MACRO trino_map_subscript(m, k) AS
  list_transform([{'m': m, 'k': k}], lambda r: CASE
    WHEN r.m IS NOT NULL AND r.k IS NOT NULL AND NOT map_contains(r.m, r.k)
      THEN trino_fail('Key not present in map: ' || CAST(r.k AS VARCHAR))
    ELSE map_extract_value(r.m, r.k) END)[1];
-- Of entries {k, v}: the first of each key, and none without a key.
CREATE OR REPLACE MACRO trino_first_entries(entries) AS
  list_transform([list_sort(list_transform(list_filter(entries, lambda e: e.k IS NOT NULL), lambda e, i: {'k': e.k, 'i': i, 'v': e.v}))],
    lambda l: map_from_entries(list_transform(
      list_filter(list_zip(l, list_prepend(NULL, l)), lambda p: p[1] IS NOT NULL AND p[1].k IS DISTINCT FROM p[2].k),
      lambda p: {'k': p[1].k, 'v': p[1].v})))[1];

-- NULL where no key is left.
CREATE OR REPLACE MACRO trino_map_of_entries(entries) AS
  list_transform([entries], lambda l: CASE WHEN len(list_filter(l, lambda e: e.k IS NOT NULL)) > 0 THEN trino_first_entries(l) END)[1];

-- Of entries {k, v} that must name each key once.
CREATE OR REPLACE MACRO trino_map_from_entries(entries) AS
  list_transform([entries], lambda l: CASE
    WHEN len(list_filter(l, lambda e: e IS NULL)) > 0 THEN trino_fail('map entry cannot be null')
    WHEN len(list_filter(l, lambda e: struct_extract_at(e, 1) IS NULL)) > 0 THEN trino_fail('map key cannot be null')
    ELSE list_transform([list_distinct(list_transform(l, lambda e: struct_extract_at(e, 1)))], lambda ks: CASE
      WHEN len(ks) < len(l) THEN trino_fail('Duplicate map keys are not allowed') ELSE map_from_entries(l) END)[1] END)[1];

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
-- In the order of the longer one, as in Trino.
CREATE OR REPLACE MACRO trino_array_intersect(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN len(r.a) >= len(r.b) THEN trino_array_distinct(list_filter(r.a, lambda x: list_position(r.b, x) IS NOT NULL))
    WHEN len(r.a) < len(r.b) THEN trino_array_distinct(list_filter(r.b, lambda x: list_position(r.a, x) IS NOT NULL)) END)[1];
CREATE OR REPLACE MACRO trino_array_except(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.b IS NOT NULL THEN trino_array_distinct(list_filter(r.a, lambda x: list_position(r.b, x) IS NULL)) END)[1];
CREATE OR REPLACE MACRO trino_has_null(l) AS len(list_filter(l, lambda x: x IS NULL)) > 0;
CREATE OR REPLACE MACRO trino_arrays_overlap(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.a IS NULL OR r.b IS NULL THEN NULL
    WHEN len(r.a) = 0 OR len(r.b) = 0 THEN false
    WHEN list_has_any(list_filter(r.a, lambda x: x IS NOT NULL), r.b) THEN true
    WHEN trino_has_null(r.a) OR trino_has_null(r.b) THEN NULL
    ELSE false END)[1];
CREATE OR REPLACE MACRO trino_repeat(element, count) AS
  list_transform([{'e': element, 'n': count}], lambda r: list_transform(range(0, CASE
    WHEN r.n < 0 THEN trino_fail('count argument of repeat function must be greater than or equal to 0')
    WHEN r.n > 10000 THEN trino_fail('count argument of repeat function must be less than or equal to 10000') ELSE r.n END), lambda i: r.e))[1];
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
      WHEN s IS NULL OR entry_delimiter IS NULL OR key_delimiter IS NULL THEN NULL
      WHEN entry_delimiter = '' THEN CAST(trino_fail('entryDelimiter is empty') AS VARCHAR[])
      WHEN key_delimiter = '' THEN CAST(trino_fail('keyValueDelimiter is empty') AS VARCHAR[])
      WHEN entry_delimiter = key_delimiter
        THEN CAST(trino_fail('entryDelimiter and keyValueDelimiter must not be the same') AS VARCHAR[])
      WHEN s = '' THEN CAST([] AS VARCHAR[])
      WHEN suffix(s, entry_delimiter) THEN split(left(s, -length(entry_delimiter)), entry_delimiter)
      ELSE split(s, entry_delimiter) END}], lambda r: map(
    list_transform(r.l, lambda p: CASE WHEN len(split(p, r.d)) = 2 THEN split_part(p, r.d, 1)
      ELSE trino_fail('Key-value delimiter must appear exactly once in each entry. Bad input: ' || p) END),
    list_transform(r.l, lambda p: split_part(p, r.d, 2))))[1];

-- Rows: of arrays, and of the entries of maps.
CREATE OR REPLACE MACRO trino_zip(a, b) AS
  list_transform([{'a': a, 'b': b}], lambda r: CASE
    WHEN r.a IS NOT NULL AND r.b IS NOT NULL THEN list_zip(r.a, r.b) END)[1];
CREATE OR REPLACE MACRO trino_kv(entries) AS
  list_transform(entries, lambda e: {'k': struct_extract_at(e, 1), 'v': struct_extract_at(e, 2)});
-- Of entries {k, v}: each key once, with all its values.
CREATE OR REPLACE MACRO trino_multimap_of_entries(entries) AS
  list_transform([list_filter(entries, lambda e: e.k IS NOT NULL)], lambda l: map_from_entries(
    list_transform(trino_array_distinct(list_transform(l, lambda e: e.k)), lambda key: {
      'k': key, 'v': list_transform(list_filter(l, lambda e: e.k = key), lambda e: e.v)})))[1];
CREATE OR REPLACE MACRO trino_multimap_from_entries(entries) AS
  list_transform([entries], lambda l: CASE
    WHEN len(list_filter(l, lambda e: e IS NULL)) > 0 THEN trino_fail('map entry cannot be null')
    WHEN len(list_filter(l, lambda e: struct_extract_at(e, 1) IS NULL)) > 0 THEN trino_fail('map key cannot be null')
    ELSE trino_multimap_of_entries(trino_kv(l)) END)[1];
CREATE OR REPLACE MACRO trino_map_union(maps) AS
  list_transform([list_filter(maps, lambda m: m IS NOT NULL)], lambda l: CASE WHEN len(l) > 0
    THEN trino_first_entries(flatten(list_transform(l, lambda m: trino_kv(map_entries(m))))) END)[1];
CREATE OR REPLACE MACRO trino_array_histogram(l) AS
  list_transform([list_filter(l, lambda x: x IS NOT NULL)], lambda a: map_from_entries(list_transform(
    trino_array_distinct(a), lambda key: {'k': key, 'v': len(list_filter(a, lambda x: x = key))})))[1];
CREATE OR REPLACE MACRO trino_histogram(l) AS
  list_transform([l], lambda a: CASE
    WHEN len(list_filter(a, lambda x: x IS NOT NULL)) > 0 THEN trino_array_histogram(a) END)[1];
-- Each key of two maps, with the value that each has for it.
CREATE OR REPLACE MACRO trino_map_triples(m, n) AS
  list_transform([{'m': m, 'n': n}], lambda r: CASE WHEN r.m IS NOT NULL AND r.n IS NOT NULL THEN list_transform(
    trino_array_distinct(list_concat(map_keys(r.m), map_keys(r.n))),
    lambda key: row(key, map_extract_value(r.m, key), map_extract_value(r.n, key))) END)[1];

-- Whether an element comes before another one of which a comparator has told how they compare, i and j being their places.
CREATE OR REPLACE MACRO trino_comes_before(compared, i, j) AS
  list_transform([{'c': compared, 'i': i, 'j': j}], lambda r: CASE
    WHEN r.i = r.j THEN false
    WHEN r.c = -1 THEN true WHEN r.c = 1 THEN false WHEN r.c = 0 THEN r.i < r.j
    ELSE CAST(trino_fail('Lambda comparator must return either -1, 0, or 1') AS BOOLEAN) END)[1];
CREATE OR REPLACE MACRO trino_ngrams(l, n) AS
  list_transform([{'l': l, 'n': n}], lambda r: CASE
    WHEN r.n < 1 THEN trino_fail('N must be positive')
    WHEN r.l IS NULL OR r.n IS NULL THEN NULL
    ELSE list_transform(range(1, greatest(len(r.l) - r.n, 0) + 2), lambda i: list_slice(r.l, i, i + r.n - 1)) END)[1];
CREATE OR REPLACE MACRO trino_contains_sequence(l, part) AS
  list_transform([{'l': l, 'p': part}], lambda r: CASE WHEN r.l IS NOT NULL AND r.p IS NOT NULL THEN
    len(r.p) = 0 OR len(list_filter(range(1, len(r.l) - len(r.p) + 2), lambda i:
      list_slice(r.l, i, i + len(r.p) - 1) = r.p)) > 0 END)[1];
CREATE OR REPLACE MACRO trino_trim_array(l, n) AS
  list_transform([{'l': l, 'n': n}], lambda r: CASE
    WHEN r.n < 0 THEN trino_fail('size must not be negative: ' || r.n)
    WHEN r.n > len(r.l) THEN trino_fail('size must not exceed array cardinality ' || len(r.l) || ': ' || r.n)
    WHEN r.n IS NOT NULL THEN list_slice(r.l, 1, len(r.l) - r.n) END)[1];

CREATE OR REPLACE MACRO trino_split_to_multimap(s, entry_delimiter, key_delimiter) AS
  list_transform([{'d': key_delimiter, 'l': CASE
      WHEN s IS NULL OR entry_delimiter IS NULL OR key_delimiter IS NULL THEN NULL
      WHEN entry_delimiter = '' THEN CAST(trino_fail('entryDelimiter is empty') AS VARCHAR[])
      WHEN key_delimiter = '' THEN CAST(trino_fail('keyValueDelimiter is empty') AS VARCHAR[])
      WHEN entry_delimiter = key_delimiter
        THEN CAST(trino_fail('entryDelimiter and keyValueDelimiter must not be the same') AS VARCHAR[])
      WHEN s = '' THEN CAST([] AS VARCHAR[])
      WHEN suffix(s, entry_delimiter) THEN split(left(s, -length(entry_delimiter)), entry_delimiter)
      ELSE split(s, entry_delimiter) END}], lambda r: trino_multimap_of_entries(
    list_transform(r.l, lambda p: {'k': CASE WHEN len(split(p, r.d)) = 2 THEN split_part(p, r.d, 1)
      ELSE trino_fail('Key-value delimiter must appear exactly once in each entry. Bad input: ' || p) END,
      'v': split_part(p, r.d, 2)})))[1];
CREATE OR REPLACE MACRO trino_concat_ws(separator, parts) AS
  list_transform([{'s': separator, 'l': parts}], lambda r: CASE WHEN r.s IS NOT NULL AND r.l IS NOT NULL
    THEN trino_array_join(r.l, r.s) END)[1];
