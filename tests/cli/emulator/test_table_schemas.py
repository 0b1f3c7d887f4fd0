"""``dagster-dune emulator schema``: the tables that a folder of SQL reads, and a local Dune that has them."""

import pytest
import yaml
from counted_calls import growth_of
from typer.testing import CliRunner
from waiting import finished

from dagster_dune.api.client import DuneApiClient
from dagster_dune.cli.app import app
from dagster_dune.cli.emulator.parameter_values import sample_values
from dagster_dune.cli.emulator.server_options import ServerOptions
from dagster_dune.cli.emulator.table_schemas import FolderSql, folder_schema, found_schema, load_tables
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.emulator.sql_errors import SqlError
from dagster_dune.errors import DuneError

POOLS = """
WITH pools AS (
    SELECT evt_block_time, pool, fee, token0 FROM uniswap_v3_ethereum.Factory_evt_PoolCreated
    WHERE contract_address = 0x01
)
SELECT date_trunc('day', p.evt_block_time) AS day, count(*) AS n, sum(l.amounts[1]) AS total
FROM pools p JOIN acme.labels l ON l.address = p.token0 AND l.label = 'x' AND l.is_known
WHERE p.evt_block_time > now() - INTERVAL '7' DAY
GROUP BY 1
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "pools_4100001.sql").write_text(POOLS)
    (tmp_path / "queries" / "reader_4100002.sql").write_text("SELECT day, n / 2 AS half FROM query_4100001")
    (tmp_path / "labels.yaml").write_text(
        yaml.safe_dump(
            {
                "acme.labels": {
                    "address": "varbinary",
                    "label": "varchar",
                    "is_known": "boolean",
                    "amounts": "array(double)",
                }
            }
        )
    )
    return tmp_path


def test_columns_are_typed_by_their_use(folder):
    text, problems = folder_schema(folder / "queries", folder / "labels.yaml")
    tables = yaml.safe_load(text)
    assert problems == []
    assert tables["uniswap_v3_ethereum.factory_evt_poolcreated"] == {
        "contract_address": "varbinary",
        "evt_block_time": "timestamp(3) with time zone",
        "fee": "double",
        "pool": "varchar",
        "token0": "varbinary",
    }


def test_a_local_dune_with_these_tables_executes_the_folder(folder):
    (folder / "tables.yaml").write_text(folder_schema(folder / "queries", folder / "labels.yaml")[0])
    with DuneEmulator() as dune, DuneApiClient(dune.api_key, dune.url) as client:
        load_tables(dune, folder / "tables.yaml")
        dune.load_query(4100001, "pools", POOLS)
        execution = client.execute_query(4100001).execution_id
        finished(client, execution)
        assert client.get_execution_results(execution).result.rows == ()


def test_a_table_of_any_name_has_rows():
    with DuneEmulator() as dune, DuneApiClient(dune.api_key, dune.url) as client:
        dune.load_table(
            "ethereum.Logs",
            [{"tx_hash": "0x01", "n": 2**200}, {"n": None}],
            columns={"tx_hash": "varbinary", "n": "uint256"},
        )
        dune.load_query(1, "logs", "SELECT tx_hash, n FROM ethereum.logs ORDER BY n")
        execution = client.execute_query(1).execution_id
        finished(client, execution)
        rows = client.get_execution_results(execution).result.rows
        assert rows == ({"tx_hash": "0x01", "n": str(2**200)}, {"tx_hash": None, "n": None})
        with pytest.raises(SqlError, match="'x' has the type 'text', which is none of Trino's"):
            dune.load_table("a.b", [], columns={"x": "text"})


def test_the_command_writes_yaml_and_says_what_cannot_be_read(folder):
    (folder / "queries" / "broken.sql").write_text("SELECT FROM")
    result = CliRunner().invoke(app, ["emulator", "schema", str(folder / "queries")])
    assert result.exit_code == 0
    assert "broken.sql: " in result.output
    assert "acme.labels" in result.output


def test_a_file_that_is_no_schema(folder):
    (folder / "bad.yaml").write_text("acme.labels: {x: nothing}")
    with pytest.raises(DuneError, match=r"acme\.labels\.x has the type 'nothing'"):
        folder_schema(folder / "queries", folder / "bad.yaml")


def tables_of(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    text, problems = folder_schema(folder)
    return yaml.safe_load(text), problems


def test_columns_that_must_agree_have_one_type(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT x.uid FROM acme.orders x JOIN acme.fills y ON x.uid = y.uid",
        b_4100002="SELECT uid FROM acme.fills WHERE uid = 0xab",
    )
    assert problems == []
    assert tables["acme.orders"]["uid"] == tables["acme.fills"]["uid"] == "varbinary"


def test_a_name_without_a_table_belongs_to_the_table_that_is_known_to_have_it(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT label FROM acme.a JOIN acme.b ON a.id = b.id",
        b_4100002="SELECT b.label || 'x' AS label FROM acme.b",
    )
    assert problems == []
    assert "label" not in tables["acme.a"]
    assert tables["acme.b"]["label"] == "varchar"


def test_fields_make_a_row_and_a_union_tells_the_columns_of_a_star(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT data.price * 2 AS doubled, data.owner = 0x01 AS mine FROM acme.raw",
        b_4100002="SELECT * FROM acme.later UNION ALL SELECT 'x' AS zebra, 1.5e0 AS apple",
    )
    assert problems == []
    assert tables["acme.raw"] == {"data": "row(price double, owner varbinary)"}
    assert list(tables["acme.later"].items()) == [("zebra", "varchar"), ("apple", "double")]


def test_another_type_is_tried_where_the_first_guess_means_nothing(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT greatest(thing, other) AS g FROM acme.t WHERE coalesce(thing, other) > date '2024-01-01'",
        b_4100002="SELECT reverse(word) AS w, word || 'x' AS x FROM acme.u",
    )
    assert problems == []
    assert tables["acme.t"]["thing"] == tables["acme.t"]["other"]
    assert tables["acme.u"]["word"] == "varchar"


def test_a_query_that_the_folder_does_not_hold_becomes_one_without_rows(tmp_path):
    (tmp_path / "sql").mkdir()
    reader = (
        "SELECT day, sum(usd) AS total FROM \"query_777(chain='{{chain}}')\" WHERE day > date '2024-01-01' GROUP BY 1"
    )
    tables, problems = tables_of(tmp_path / "sql", reader_4100001=reader)
    assert problems == []
    assert tables["query_777"] == {"day": "date", "usd": "double"}
    (tmp_path / "tables.yaml").write_text(yaml.safe_dump(tables))
    with DuneEmulator() as dune, DuneApiClient(dune.api_key, dune.url) as client:
        load_tables(dune, tmp_path / "tables.yaml")
        dune.load_query(4100001, "reader", reader, parameters=[{"key": "chain", "type": "text", "value": "base"}])
        execution = client.execute_query(4100001).execution_id
        finished(client, execution)
        assert client.get_execution_results(execution).result.rows == ()


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT * FROM t WHERE d > now() - interval '{{x}}' day", "1"),
        ("SELECT date_trunc('{{x}}', d) FROM t", "day"),
        ("SELECT * FROM t WHERE d >= cast('{{x}}' as timestamp)", "2024-01-01"),
        ("SELECT * FROM t_{{x}}.trades", "ethereum"),
        ("SELECT * FROM t WHERE pool_address = {{x}}", "0x" + "00" * 20),
        ("SELECT * FROM t LIMIT {{x}}", "1"),
        ("SELECT * FROM t WHERE app_code NOT IN ({{x}})", "'x'"),
        ("SELECT cast(split_part('{{x}}', ' : ', 1) AS int)", "1 : 1"),
        ("SELECT cast(CASE '{{x}}' WHEN 'now' THEN '2024-01-02' ELSE '{{x}}' END AS timestamp)", "2024-01-01"),
        ("SELECT cast({{x}} AS date)", "TIMESTAMP '2024-01-01'"),
        ('WITH "by day" AS (SELECT (1) AS n), b AS (SELECT n FROM "{{x}}") SELECT n FROM b', "by day"),
        ("-- {{x}} is a number\nSELECT * FROM t WHERE d > timestamp '{{x}}'", "2024-01-01"),
    ],
)
def test_the_value_of_a_parameter_fits_where_it_stands(sql, value):
    assert sample_values(sql) == {"x": value}


def test_a_parameter_is_a_key_of_a_map_or_what_the_query_takes_that_it_is_passed_to(tmp_path):
    (tmp_path / "spans_4100001.sql").write_text("SELECT map_from_entries(ARRAY[('last 7d', 7), ('all', 9)]) AS days")
    (tmp_path / "one_4100002.sql").write_text(
        "SELECT (SELECT days['{{span}}'] FROM query_4100001) + {{share}} * 2 AS n, date_trunc('{{step}}', now()) AS d"
    )
    (tmp_path / "two_4100003.sql").write_text(
        "SELECT * FROM \"query_4100002(span='{{when}}', step='{{x}}', share='{{y}}')\""
    )
    values = {file.stem: values for file, values in FolderSql.read(tmp_path).values.items()}
    assert values["one_4100002"] == {"span": "last 7d", "share": "1", "step": "day"}
    assert values["two_4100003"] == {"when": "last 7d", "x": "day", "y": "1"}
    assert folder_schema(tmp_path)[1] == []


def test_types_are_told_through_functions_that_pass_them_on(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT max_by(total, at) - lag(max(total)) OVER (ORDER BY day) AS d FROM acme.a GROUP BY day",
        b_4100002="SELECT coalesce(b.owner, IF(b.odd > 1, b.keeper)) = 0x01 AS mine FROM acme.b b",
        c_4100003="SELECT date_add('day', c.days, (SELECT max(c.start_date) FROM acme.c c)) AS s FROM acme.c c",
        d_4100004="SELECT date_diff('hour', opened, closed) AS h, n + 1 AS m FROM acme.d, UNNEST(amounts) AS t(n)",
    )
    assert problems == []
    assert tables["acme.a"]["total"] == "double"
    assert (tables["acme.b"]["owner"], tables["acme.b"]["keeper"]) == ("varbinary", "varbinary")
    assert (tables["acme.c"]["days"], tables["acme.c"]["start_date"]) == ("bigint", "date")
    assert {tables["acme.d"][name] for name in ("opened", "closed")} == {"timestamp(3) with time zone"}
    assert tables["acme.d"]["amounts"] == "array(double)"


def test_texts_that_are_cast_to_times_are_days(tmp_path):
    (tmp_path / "a_4100001.sql").write_text("SELECT 'on ' || CAST(due AS varchar), CAST(due AS timestamp) FROM acme.a")
    (tmp_path / "b_4100002.sql").write_text("SELECT due || '!' FROM acme.a")
    found, problems = found_schema(FolderSql.read(tmp_path))
    assert problems == {}
    assert (found.tables["acme.a"], found.compared["acme.a"]) == ({"due": "varchar"}, {"due": ["2026-06-30"]})


def test_elements_of_arrays_are_typed_by_their_use(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT t.part / 2e0 AS half FROM acme.a a, UNNEST(a.parts) AS t(part)",
        b_4100002="SELECT l.keys[1] = 0x01 AS mine, l.more[2] - l.fees[1] / 2 AS rest FROM acme.b l",
        c_4100003="""SELECT owner FROM acme.c c, UNNEST(c.owners) AS t(owner)
                     UNION ALL SELECT member FROM acme.d d, UNNEST(d.members) AS t(member) WHERE member = 0x02""",
        d_4100004="SELECT cardinality(n) AS n FROM acme.e, UNNEST(lists) AS t(n), UNNEST(labels) AS u(x)",
    )
    assert problems == []
    assert tables["acme.a"]["parts"] == "array(double)"
    assert tables["acme.b"] == {"fees": "array(double)", "keys": "array(varbinary)", "more": "array(double)"}
    assert tables["acme.c"]["owners"] == tables["acme.d"]["members"] == "array(varbinary)"
    assert tables["acme.e"]["labels"] == "array(varchar)"


def test_tables_of_one_union_have_the_same_columns(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="""WITH every AS (
                         SELECT *, 'a' AS chain FROM acme.a UNION ALL SELECT *, 'b' AS chain FROM acme.b
                         UNION ALL SELECT *, 'c' AS chain FROM acme.c
                     )
                     SELECT max(amount) AS amount, keeper FROM every WHERE keeper = 0x01 AND chain = 'a' GROUP BY 2""",
        b_4100002="SELECT extra + 1 AS n FROM acme.b",
        c_4100003="SELECT * FROM acme.d UNION SELECT 1 AS id, 2 AS n",
        d_4100004="SELECT *, 1 AS n FROM acme.e UNION SELECT 1 AS id, 2 AS n",
    )
    assert problems == []
    assert tables["acme.a"] == tables["acme.b"] == tables["acme.c"]
    assert list(tables["acme.a"]) == ["amount", "extra", "keeper"]
    assert (list(tables["acme.d"]), list(tables["acme.e"])) == (["id", "n"], ["id"])


def test_a_column_belongs_to_the_table_that_stands_alone_somewhere(tmp_path):
    tables, problems = tables_of(
        tmp_path,
        a_4100001="SELECT ts FROM acme.calls l JOIN acme.deposits d ON d.evt_tx_hash = l.call_tx_hash",
        b_4100002="SELECT ts + 1 AS ts FROM acme.deposits",
    )
    assert problems == []
    assert "ts" in tables["acme.deposits"]
    assert "ts" not in tables["acme.calls"]


def test_values_that_do_not_fit_are_exchanged(tmp_path):
    tables, problems = tables_of(
        tmp_path, a_4100001="SELECT 1 AS one FROM acme.t WHERE code > 'a' AND code IN ({{odd}})"
    )
    assert problems == []
    assert tables["acme.t"]["code"] == "varchar"


SWAPS = """
SELECT kind, count(*) AS n FROM acme.swaps
WHERE kind IN ('buy', 'sell') AND project_contract_address = 0x{{contract}} AND version = 3 AND day >= date '{{from}}'
GROUP BY 1 ORDER BY 1
"""


def test_the_file_has_the_values_of_parameters_and_what_columns_are_compared_with(tmp_path):
    tables, problems = tables_of(tmp_path, swaps_4100001=SWAPS.replace("0x{{contract}}", "{{contract}}"))
    assert problems == []
    assert tables["parameters"] == {"swaps_4100001.sql": {"contract": "0x" + "00" * 20, "from": "2024-01-01"}}
    assert tables["compared"] == {
        "acme.swaps": {"kind": ["buy", "sell"], "project_contract_address": ["0x" + "00" * 20], "version": ["3"]}
    }


def test_values_of_parameters_that_are_known_are_taken(tmp_path):
    (tmp_path / "known.yaml").write_text("parameters: {swaps_4100001.sql: {contract: 'ab', from: '2026-01-01'}}")
    (tmp_path / "swaps_4100001.sql").write_text(SWAPS)
    text, problems = folder_schema(tmp_path, tmp_path / "known.yaml")
    assert problems == []
    assert yaml.safe_load(text)["parameters"]["swaps_4100001.sql"] == {"contract": "ab", "from": "2026-01-01"}


def test_drawn_rows_are_found_by_the_query_that_they_are_drawn_for(tmp_path):
    (tmp_path / "swaps_4100001.sql").write_text(SWAPS)
    (tmp_path / "reader_4100002.sql").write_text("SELECT sum(n) AS n FROM query_77 WHERE side = 'x'")
    (tmp_path / "known.yaml").write_text("parameters: {swaps_4100001.sql: {contract: ab, from: '2026-01-01'}}")
    text, problems = folder_schema(tmp_path, tmp_path / "known.yaml", rows=6)
    assert (problems, yaml.safe_load(text)["rows"]) == ([], 6)
    (tmp_path / "tables.yaml").write_text(text)
    options = ServerOptions(queries=tmp_path, tables=tmp_path / "tables.yaml")
    with options.running(0, "key") as dune, DuneApiClient(dune.api_key, dune.url) as client:
        for query, expected in (
            (4100001, ({"kind": "buy", "n": 3}, {"kind": "sell", "n": 3})),
            (4100002, ({"n": 31.5},)),
        ):
            execution = client.execute_query(query).execution_id
            finished(client, execution)
            assert client.get_execution_results(execution).result.rows == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rows: many", "rows must be a number"),
        ("rows: -1", "rows must be a number"),
        ("parameters: [1]", "parameters must map"),
        ("compared: {a.b: 1}", "compared must map"),
    ],
)
def test_a_file_whose_other_parts_mean_nothing(tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(DuneError, match=words):
        folder_schema(tmp_path, tmp_path / "bad.yaml")


def test_a_folder_without_sql_is_told(tmp_path):
    done = CliRunner().invoke(app, ["emulator", "schema", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"The folder {tmp_path} holds no .sql file. Name the folder that the queries are in.\n"


def test_views_are_looked_up_however_many_files_there_are(tmp_path):
    def looking_up(count):
        texts = {tmp_path / f"q_{4_100_000 + number}.sql": "SELECT 1" for number in range(count)}
        sql = FolderSql(tmp_path, texts, {file: {} for file in texts})
        return lambda: [sql.view(4_100_000 + number) for number in range(count)]

    assert growth_of(looking_up, few=50, many=400) < 16  # 8 times as many
