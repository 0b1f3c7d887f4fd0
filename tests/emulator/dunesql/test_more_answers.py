"""Arrays, maps, UNNEST, bits, hashes, links and incremental queries: what Trino's and Dune's pages say they answer."""

import pytest
from Crypto.Hash import keccak

from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.sql_errors import SqlError

ZONED = "timestamp(3) with time zone"
MATVIEW = "dune.acme.result_growing"
MAP = "MAP(ARRAY['a', 'b'], ARRAY[1, 2])"


@pytest.fixture(scope="module")
def engine():
    opened = Engine(None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run(engine):
    return lambda sql: engine.select(compile_sql(sql, parameters={}, views={}.get)).run()


# A page of https://trino.io/docs/current, then expression, value and type.
ANSWERS = {
    "functions/array": [
        ("array_distinct(ARRAY[3, 1, 3, NULL, NULL])", [3, 1, None], "array(integer)"),
        ("array_sort(ARRAY[3, NULL, 1])", [1, 3, None], "array(integer)"),
        ("array_position(ARRAY['a', 'b'], 'b')", 2, "bigint"),
        ("array_position(ARRAY['a', 'b'], 'c')", 0, "bigint"),
        ("array_remove(ARRAY[1, 2, NULL, 2], 2)", [1, None], "array(integer)"),
        ("array_union(ARRAY[1, 2], ARRAY[2, 3])", [1, 2, 3], "array(integer)"),
        ("array_intersect(ARRAY[1, 2, 2], ARRAY[2, 5])", [2], "array(integer)"),
        ("array_except(ARRAY[1, 2, 1], ARRAY[2])", [1], "array(integer)"),
        ("arrays_overlap(ARRAY[1, 2], ARRAY[2])", True, "boolean"),
        ("arrays_overlap(ARRAY[1, NULL], ARRAY[2])", None, "boolean"),
        ("arrays_overlap(ARRAY[1], ARRAY[2])", False, "boolean"),
        ("array_join(ARRAY[1, NULL, 2], ',')", "1,2", "varchar"),
        ("array_join(ARRAY['a', NULL], '-', '?')", "a-?", "varchar"),
        ("array_join(filter(ARRAY['a'], x -> x > 'a'), ', ')", "", "varchar"),
        ("array_join(ARRAY[1e7, 0.5e0], ' ')", "1.0E7 0.5", "varchar"),
        ("flatten(ARRAY[ARRAY[1], ARRAY[2, 3]])", [1, 2, 3], "array(integer)"),
        ("slice(ARRAY[1, 2, 3, 4], 2, 2)", [2, 3], "array(integer)"),
        ("slice(ARRAY[1, 2, 3, 4], -2, 9)", [3, 4], "array(integer)"),
        ("slice(ARRAY[1, 2], 3, 1)", [], "array(integer)"),
        ("repeat('a', 3)", ["a", "a", "a"], "array(varchar)"),
        ("reduce(ARRAY[5, 20, 50], 0, (s, x) -> s + x, s -> s)", 75, "integer"),
        ("reduce(ARRAY[5, 20, 50], 0e0, (s, x) -> s + x / 3, s -> s * 2)", 46.0, "double"),
        ("any_match(ARRAY[1, 2], x -> x > 1)", True, "boolean"),
        ("any_match(ARRAY[1, NULL], x -> x > 1)", None, "boolean"),
        ("any_match(filter(ARRAY[1], x -> x > 1), x -> x > 1)", False, "boolean"),
        ("all_match(ARRAY[2, NULL], x -> x > 1)", None, "boolean"),
        ("all_match(ARRAY[1, NULL], x -> x > 1)", False, "boolean"),
        ("all_match(filter(ARRAY[1], x -> x > 1), x -> x > 1)", True, "boolean"),
        ("none_match(ARRAY[1, 0], x -> x > 1)", True, "boolean"),
        (
            "sequence(TIMESTAMP '2024-01-01 00:00', TIMESTAMP '2024-01-01 12:00', INTERVAL '12' HOUR)",
            ["2024-01-01 00:00:00.000", "2024-01-01 12:00:00.000"],
            "array(timestamp(3))",
        ),
    ],
    "functions/map": [
        (MAP, {"a": 1, "b": 2}, "map(varchar, integer)"),
        (f"{MAP}['b']", 2, "integer"),
        (f"{MAP}['b'] / 2", 1, "integer"),
        (f"element_at({MAP}, 'a')", 1, "integer"),
        (f"element_at({MAP}, 'x')", None, "integer"),
        (f"cardinality({MAP})", 2, "bigint"),
        ("cardinality(MAP())", 0, "bigint"),
        (f"map_keys({MAP})", ["a", "b"], "array(varchar)"),
        (f"map_values({MAP})", [1, 2], "array(integer)"),
        (f"map_concat({MAP}, MAP(ARRAY['b', 'c'], ARRAY[5, 6]))", {"a": 1, "b": 5, "c": 6}, "map(varchar, integer)"),
        ("split_to_map('a=1,b=2', ',', '=')", {"a": "1", "b": "2"}, "map(varchar, varchar)"),
        ("split_to_map('a=1,', ',', '=')", {"a": "1"}, "map(varchar, varchar)"),
        ("split_to_map('', ',', '=')", {}, "map(varchar, varchar)"),
    ],
    "functions/bitwise": [
        ("bitwise_and(19, 25)", 17, "bigint"),
        ("bitwise_or(19, 25)", 27, "bigint"),
        ("bitwise_xor(19, 25)", 10, "bigint"),
        ("bitwise_not(19)", -20, "bigint"),
        ("bitwise_left_shift(5, 2)", 20, "integer"),
        ("bitwise_left_shift(CAST(5 AS bigint), 2)", 20, "bigint"),
        ("bitwise_right_shift(CAST(8 AS bigint), 3)", 1, "bigint"),
        ("bitwise_right_shift_arithmetic(CAST(-256 AS bigint), 2)", -64, "bigint"),
        ("bit_count(9, 64)", 2, "bigint"),
        ("bit_count(-7, 64)", 62, "bigint"),
        ("bit_count(-7, 8)", 6, "bigint"),
    ],
    "functions/conversion": [
        ("format_number(123456)", "123K", "varchar"),
        ("format_number(1000000)", "1M", "varchar"),
        ("format_number(-1500000e0)", "-1.5M", "varchar"),
        ("format_number(0)", "0", "varchar"),
    ],
    "functions/datetime": [
        ("date_parse('2022/10/20/05', '%Y/%m/%d/%H')", "2022-10-20 05:00:00.000", "timestamp(3)"),
        ("to_iso8601(DATE '2024-01-02')", "2024-01-02", "varchar"),
        ("to_iso8601(TIMESTAMP '2024-01-02 03:04:05')", "2024-01-02T03:04:05.000", "varchar"),
        ("to_iso8601(now())", "2026-07-01T00:00:00.000Z", "varchar"),
        ("from_iso8601_timestamp('2020-05-11T11:15:05+01:00')", "2020-05-11 10:15:05.000 UTC", ZONED),
        ("from_iso8601_date('2020-05-11')", "2020-05-11", "date"),
        ("millisecond(TIMESTAMP '2024-01-01 00:00:01.234')", 234, "bigint"),
        ("at_timezone(now(), 'UTC')", "2026-07-01 00:00:00.000 UTC", ZONED),
        ("with_timezone(TIMESTAMP '2024-01-01 00:00', 'UTC')", "2024-01-01 00:00:00.000 UTC", ZONED),
    ],
    "functions/string": [
        ("codepoint('A')", 65, "integer"),
        ("hamming_distance('abc', 'abd')", 1, "bigint"),
        ("translate('abcd', 'ac', 'x')", "xbd", "varchar"),
        ("concat_ws(',', 'a', NULL, 'b')", "a,b", "varchar"),
        ("url_encode('a b*~/')", "a+b*%7E%2F", "varchar"),
        ("url_decode('a+b%2F')", "a b/", "varchar"),
        (r"regexp_count('1a 2b 14m', '\s*[a-z]+\s*')", 3, "bigint"),
        (r"regexp_split('1a 2b 14m', '\s*[a-z]+\s*')", ["1", "2", "14", ""], "array(varchar)"),
    ],
    "functions/binary": [
        ("to_base64(to_utf8('hi'))", "aGk=", "varchar"),
        ("from_base64('aGk=')", "0x6869", "varbinary"),
        ("md5(X'')", "0xd41d8cd98f00b204e9800998ecf8427e", "varbinary"),
        ("sha1(to_utf8('a'))", "0x86f7e437faa5a7fce15d1ddcb9eaeaea377667b8", "varbinary"),
        (
            "sha256(to_utf8('a'))",
            "0xca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
            "varbinary",
        ),
    ],
    # https://docs.dune.com/query-engine/Functions-and-operators/varbinary and .../chain-utility-functions
    "dune": [
        ("bytearray_starts_with(0x0102, 0x01)", True, "boolean"),
        ("bytearray_ltrim(0x00000a00)", "0x0a00", "varbinary"),
        ("varbinary_rtrim(0xa00000)", "0xa0", "varbinary"),
        ("get_href('https://dune.com', 'Dune')", '<a href="https://dune.com" target="_blank">Dune</a>', "varchar"),
        ("get_chain_explorer('ethereum')", "https://etherscan.io", "varchar"),
        ("get_chain_explorer_tx_hash('ethereum', 0xab)", "https://etherscan.io/tx/0xab", "varchar"),
        ("get_chain_explorer_address('base', '0xcd')", "https://basescan.org/address/0xcd", "varchar"),
    ],
}


@pytest.mark.parametrize(
    ("expression", "value", "type_"),
    [pytest.param(*case, id=f"{page}: {case[0]}") for page, cases in ANSWERS.items() for case in cases],
)
def test_documented_answer(run, expression, value, type_):
    result = run(f"SELECT {expression} AS value")
    assert (result.rows, result.columns[0].type) == ([{"value": value}], type_)


@pytest.mark.parametrize("length", [0, 1, 32, 135, 136, 137, 300])
def test_keccak(run, length):
    message = bytes(range(256)) * 2
    expected = keccak.new(digest_bits=256, data=message[:length]).hexdigest()
    assert run(f"SELECT keccak(X'{message[:length].hex()}') AS hash").rows == [{"hash": f"0x{expected}"}]


# https://trino.io/docs/current/sql/select.html#unnest
@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (
            "SELECT * FROM UNNEST(ARRAY[1, 2], ARRAY['a']) WITH ORDINALITY AS t(x, y, n)",
            [(1, "a", 1), (2, None, 2)],
        ),
        ("SELECT * FROM UNNEST(ARRAY[7, 8]) WITH ORDINALITY", [(7, 1), (8, 2)]),
        (f"SELECT * FROM UNNEST({MAP}) AS t(k, v)", [("a", 1), ("b", 2)]),
        (f"SELECT n, k, v / 2 FROM UNNEST({MAP}) WITH ORDINALITY AS t(k, v, n)", [(1, "a", 0), (2, "b", 1)]),
        (
            """SELECT i, x + 1, y FROM (VALUES (1, ARRAY[1, 2], ARRAY['a'])) AS v(i, a, b)
            CROSS JOIN UNNEST(v.a, b) AS t(x, y) ORDER BY x""",
            [(1, 2, "a"), (1, 3, None)],
        ),
        (
            """SELECT n FROM (SELECT IF(false, ARRAY[1]) AS a) AS v
            LEFT JOIN UNNEST(a) WITH ORDINALITY AS t(x, n) ON true""",
            [(None,)],
        ),
        ("SELECT count(*) FROM (SELECT IF(false, ARRAY[1]) AS a) AS v CROSS JOIN UNNEST(a, a) AS t(x, y)", [(0,)]),
        ("SELECT map_agg(k, v) FROM (VALUES ('a', 1), ('b', 2), (NULL, 3)) AS t(k, v)", [({"a": 1, "b": 2},)]),
        ("SELECT map_agg(k, v) FILTER (WHERE v > 1) FROM (VALUES ('a', 1), ('b', 2)) AS t(k, v)", [({"b": 2},)]),
        ("SELECT try(sum(x) / sum(y)) FROM (VALUES (1, 0)) AS t(x, y)", [(None,)]),
        (
            """SELECT g, coalesce(try(sum(x) FILTER (WHERE x > 6) / count(*) + g), 0)
            FROM (VALUES (1, 6), (2, 7)) AS t(g, x) GROUP BY 1 ORDER BY 1""",
            [(1, 0), (2, 9)],
        ),
        ("SELECT try(CAST(max(s) AS bigint)) FROM (VALUES 'x') AS t(s)", [(None,)]),
        ("SELECT a[i], a[i + 1], a[1] FROM (VALUES (ARRAY[5, 6, 7], 2)) AS t(a, i)", [(6, 7, 5)]),
    ],
)
def test_rows_of_arrays_and_maps(run, sql, rows):
    assert [tuple(row.values()) for row in run(sql).rows] == rows


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (f"{MAP}['x']", "Key not present in map: x"),
        ("MAP(ARRAY['a', 'a'], ARRAY[1, 2])", "Map keys must be unique"),
        ("slice(ARRAY[1], 0, 1)", "SQL array indices start at 1"),
        ("slice(ARRAY[1], 1, -1)", "length must be greater than or equal to 0"),
        ("split_to_map('a', ',', '=')", "Key-value delimiter must appear exactly once in each entry. Bad input: a"),
        ("from_iso8601_date('x')", 'Invalid format: "x"'),
        ("from_iso8601_timestamp('x')", 'Invalid format: "x"'),
        ("format_number(0.5)", "format_number of 0.5 is not supported"),
        ("sha256('a')", "sha256 takes a varbinary, not varchar: use to_utf8"),
        ("bitwise_and(1e0, 2)", "bitwise_and of double is not supported"),
        ("bitwise_right_shift(-8, 1)", "bitwise_right_shift of a negative number is not supported"),
        ("bit_count(100, 4)", "100 cannot be represented with 4 bits"),
        ("date_parse('2024 1', '%Y %j')", "'%j' in date_parse is not supported"),
        ("date_parse('05', '%H')", "A format of date_parse without %Y is not supported"),
        ("bitwise_left_shift(1, 31)", "2147483648 is out of range for integer"),
        ("get_chain_explorer('nochain')", "The explorer of chain nochain is not known"),
        ("array_join(ARRAY[ARRAY[1]], ',')", "array_join takes texts, numbers, dates and booleans"),
        ("1 FROM UNNEST(ARRAY[1], ARRAY[2]) AS t(a)", "Column alias list has 1 entries but UNNEST has 2 columns"),
        (f"1 FROM UNNEST({MAP}) AS t(k)", "UNNEST requires a single list or array"),
        ("1 FROM TABLE(previous.query.result())", "DESCRIPTOR(name type, ...)"),
        ("1 FROM TABLE(previous.query.result(DESCRIPTOR(n)))", "must list names with types"),
    ],
)
def test_refusals(run, sql, message):
    with pytest.raises(SqlError) as raised:
        run(f"SELECT {sql}")
    assert message in raised.value.message


def growing(descriptor="schema => DESCRIPTOR(n bigint, hash varbinary, at timestamp, big uint256)"):
    return compile_sql(
        f"""
        WITH previous AS (SELECT * FROM TABLE(previous.query.result({descriptor})))
        SELECT n, hash, at, big FROM previous
        UNION ALL
        SELECT coalesce((SELECT max(n) FROM previous), 0) + 1, 0xab, TIMESTAMP '2024-01-01', CAST('7' AS uint256)
        ORDER BY n DESC
        """,
        parameters={},
        views={}.get,
    )


def row(number):
    return {"n": number, "hash": "0xab", "at": "2024-01-01 00:00:00.000", "big": "7"}


def test_a_matview_reads_its_previous_rows(engine):
    for number in (1, 2, 3):
        result = engine.refresh(MATVIEW, growing()).run()
        assert result.rows == [row(each) for each in range(number, 0, -1)]
    engine.drop(MATVIEW)
    assert engine.refresh(MATVIEW, growing()).run().rows == [row(1)]


def test_a_query_reads_its_previous_result(engine):
    first = engine.select(growing("DESCRIPTOR(n bigint, hash varbinary, at timestamp, big uint256)")).run()
    second = engine.select(growing(), first).run()
    assert second.rows == [row(2), row(1)]
    assert second.columns == first.columns
    assert growing().tables == frozenset()


def test_a_saved_query_reads_its_own_last_result(dune, client, finish):
    dune.load_query(
        1,
        "Growing",
        """SELECT n FROM TABLE(previous.query.result(DESCRIPTOR(n bigint)))
        UNION ALL SELECT {{n}} ORDER BY n""",
        parameters=[{"key": "n", "type": "number", "value": "1"}],
    )
    for rows in ([1], [1, 1]):
        execution = client.execute_query(1).execution_id
        finish(client, execution)
        assert [row["n"] for row in client.get_execution_results(execution).result.rows] == rows


def test_a_previous_column_that_is_missing_is_an_error(engine):
    first = engine.select(growing()).run()
    compiled = compile_sql(
        "SELECT * FROM TABLE(previous.query.result(DESCRIPTOR(x date)))", parameters={}, views={}.get
    )
    assert engine.select(compiled).run().rows == []
    with pytest.raises(SqlError, match="'x' cannot be resolved"):
        engine.select(compiled, first).run()


def test_an_incremental_query_is_no_view(engine):
    view = View("SELECT * FROM TABLE(previous.query.result(DESCRIPTOR(n bigint)))")
    compiled = compile_sql("SELECT * FROM query_1", parameters={}, views={1: view}.get)
    with pytest.raises(SqlError, match="query_1: An incremental query cannot be read as a view"):
        engine.select(compiled).run()
