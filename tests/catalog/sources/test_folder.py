"""Folders of .sql files."""

import os
import re
import shutil

import pytest

from dagster_dune.catalog.catalog import DuneCatalog, Query
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.catalog.sources.files.sql_text import parse_sql_text
from dagster_dune.errors import DuneCatalogError


@pytest.fixture
def write(tmp_path):
    """A function that writes one file of the folder `tmp_path`."""

    def write_file(name, text="SELECT * FROM dex.trades"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write_file


def only(folder):
    catalog = DuneCatalog.from_directory(folder)
    assert len(catalog) == 1
    return next(iter(catalog))


@pytest.mark.parametrize(
    ("name", "query_id", "slug"),
    [
        ("daily_volume_4104711.sql", 4104711, "daily_volume"),
        ("daily_volume___4104711.sql", 4104711, "daily_volume"),
        ("query_4104711.sql", 4104711, None),
        ("Daily Volume (7d)_4104711.sql", 4104711, "Daily_Volume_7d"),
        ("交易_4104711.sql", 4104711, None),
        ("deep/er/x_4104711.SQL", 4104711, "x"),
    ],
)
def test_id_in_the_name(tmp_path, write, name, query_id, slug):
    write(name)
    query = only(tmp_path)
    assert (query.query_id, query.slug) == (query_id, slug)
    assert query.references == ("dex.trades",)


@pytest.mark.parametrize(
    "comment",
    [
        "-- query link: https://dune.com/queries/4711",
        "-- made by us\n--https://dune.com/queries/4711/9876",
        "/* Query: dune.com/queries/4711 */",
        "/*\n  Volumes.\n  Link: https://dune.com/queries/4711\n*/",
        "-- already part of a query repo\n-- query name: Volumes\n-- query link: https://dune.com/queries/4711\n\n",
    ],
)
def test_id_in_a_link(tmp_path, write, comment):
    write("volumes.sql", comment + "\nSELECT 1")
    query = only(tmp_path)
    assert (query.query_id, query.slug) == (4711, "volumes")
    assert query.sql.startswith(comment.strip()[:2])


@pytest.mark.parametrize(
    "text",
    [
        "-- forked from https://dune.com/queries/4711\nSELECT 1",
        "SELECT 1 -- query link: https://dune.com/queries/4711",
        "-- query link: https://dune.com/queries/none\nSELECT 1",
        "-- query link: https://example.com/queries/4711\nSELECT 1",
    ],
)
def test_other_links_are_no_ids(tmp_path, write, text):
    write("volumes.sql", text)
    catalog = DuneCatalog.from_directory(tmp_path)
    assert len(catalog) == 0
    assert [query.slug for query in catalog.unidentified] == ["volumes"]


def test_the_header_wins_over_a_link(tmp_path, write, caplog):
    write("y.sql", "-- query link: https://dune.com/queries/9\n/* dune\nid: 2\n*/SELECT 1")
    assert only(tmp_path).sql_name == "query_2"
    assert not caplog.records


@pytest.mark.parametrize("place", ["header", "dune.yml"])
@pytest.mark.parametrize("matview", ["", "matview: dune.acme.result_top, "])
def test_the_header_and_the_settings_win_over_the_name(tmp_path, write, caplog, place, matview):
    said = f"{{{matview}id: 4711}}"
    for number, is_told in ((4100001, True), (20240131, False), (100, False)):
        if place == "header":
            file = write(f"{number}/top_{number}.sql", f"/* dune\n{said}\n*/ SELECT 1")
        else:
            file = write(f"{number}/top_{number}.sql", "SELECT 1")
            write(f"{number}/dune.yml", f"queries: {{top_{number}.sql: {said}}}")
        caplog.clear()
        assert only(tmp_path / str(number)).query_id == 4711
        messages = [record.getMessage() for record in caplog.records]
        expected = f"{file} is taken for query 4711, as its header or dune.yml says; but its name says {number}. "
        assert messages == ([f"{expected}Remove the wrong one."] if is_told else [])


def test_the_same_id_twice_is_no_contradiction(tmp_path, write, caplog):
    write("top_100.sql", "/* dune\nid: 100\n*/ SELECT 1")
    query = only(tmp_path)
    assert (query.query_id, query.slug) == (100, "top")
    assert not caplog.records


FULL_HEADER = """\
/* dune
id: 4711
name: "Volume: by chain"
description: |
  Two lines,
  # and no comment.
performance: large
parameters:
  Start Date: 2024-01-31
  chain: {type: enum, value: ethereum, options: [ethereum, base]}
  chains: [ethereum, base]
  token: 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2
  amount: 115792089237316195423570985008687907853269984665640564039457584007913129639935
  limit:
deps: [dex.trades, dune.acme.dataset_labels]
tags: [dex, 2024]
private: true
*/
SELECT * FROM prices.day WHERE day > '{{Start Date}}' AND c = '{{chain}}' AND c IN ({{chains}}) AND t = {{token}}
  AND amount < {{amount}} AND x = {{undeclared}} LIMIT {{limit}}
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_full_header(tmp_path, write, line_end, bom):
    write("volume.sql", bom + FULL_HEADER.replace("\n", line_end).encode())
    query = only(tmp_path)
    assert query.query_id == 4711
    assert query.name == "Volume: by chain"
    assert query.slug == "volume"
    assert query.description == "Two lines,\n# and no comment.\n"
    assert query.performance == "large"
    assert query.deps == ("dex.trades", "dune.acme.dataset_labels")
    assert query.references == ("prices.day",)
    assert query.tags == ("dex", "2024")
    assert query.is_private is True
    assert query.sql.startswith("SELECT * FROM prices.day")
    address = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
    assert query.parameters == (
        QueryParameter(key="Start Date", type="datetime", default="2024-01-31"),
        QueryParameter(key="chain", type="enum", default="ethereum", options=("ethereum", "base")),
        QueryParameter(key="chains", default="ethereum,base", multiple=True),
        QueryParameter(key="token", default=address),
        QueryParameter(key="amount", type="number", default=str(2**256 - 1)),
        QueryParameter(key="undeclared"),
        QueryParameter(key="limit"),
    )
    assert query.query_parameters == {
        "Start Date": "2024-01-31",
        "chain": "ethereum",
        "chains": ["ethereum", "base"],
        "token": address,
        "amount": str(2**256 - 1),
    }


def test_a_file_without_header(tmp_path, write):
    write("x_4100001.sql", "/* dune tables are fun */\n-- more\nSELECT '{{a}}'\n")
    query = only(tmp_path)
    assert query.sql == "/* dune tables are fun */\n-- more\nSELECT '{{a}}'"
    assert query.parameters == (QueryParameter(key="a"),)
    assert query.query_parameters == {}


def test_empty_header(tmp_path, write):
    write("x_4100001.sql", "/* dune\n*/ SELECT 1")
    assert only(tmp_path).sql == "SELECT 1"


@pytest.mark.parametrize(
    ("file", "header", "query_id"),
    [
        ("result_x.sql", "", None),
        ("result_x.sql", "id: 7", 7),
        ("x_4100007.sql", "", 4100007),
        ("result_x_4100030.sql", "", None),
        ("x_4100030.sql", "id: 7", 7),
    ],
)
def test_matview(tmp_path, write, file, header, query_id):
    name = f"dune.acme.{file[:-4]}" if "30.sql" in file and file.startswith("result") else "dune.acme.result_x"
    write(file, f"/* dune\nmatview: {name}\ntags: [dex]\n{header}\n*/\nSELECT * FROM query_4100001")
    matview = only(tmp_path)
    assert matview.kind == "materialized_view"
    assert (matview.name, matview.query_id) == (name, query_id)
    assert matview.references == ("query_4100001",)
    assert matview.tags == ("dex",)


def test_hidden_and_other_files_are_left_out(tmp_path, write):
    write("x_4100001.sql")
    write(".x_4100002.sql")
    write(".venv/x_4100003.sql")
    write("x_4.txt")
    write("README.md")
    assert only(tmp_path).query_id == 4100001


def test_partitions_of_a_query_without_parameters(tmp_path, write):
    header = "partitions: {kind: daily, start: 2024-01-01, parameters: {day: '{partition_key}'}}"
    write("x_4100001.sql", f"/* dune\n{header}\n*/\nSELECT 1")
    with pytest.raises(
        DuneCatalogError, match=r", line 2: the header has a parameter 'day', but the SQL has no \{\{day"
    ):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_missing_folder(tmp_path, write, monkeypatch):
    with pytest.raises(DuneCatalogError, match=r"There is no folder .*nowhere"):
        DuneCatalog.from_directory(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DuneCatalogError, match=re.escape(f"There is no folder queries in {tmp_path}.")):
        DuneCatalog.from_directory("queries")
    file = write("x_4100001.sql")
    with pytest.raises(DuneCatalogError, match=r"x_4100001.sql is a file, and no folder\. Give the folder"):
        DuneCatalog.from_directory(file)


def test_empty_folder(tmp_path, write):
    write("README.md")
    with pytest.raises(DuneCatalogError, match=r"holds no \.sql file"):
        DuneCatalog.from_directory(str(tmp_path))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a_4100001.sql", "SELECT 1"), ("deeper/b_4100001.sql", "SELECT 2")),
        (
            ("a.sql", "/* dune\nmatview: dune.acme.result_x\n*/ SELECT 1"),
            ("b.sql", "/* dune\nmatview: dune.acme.result_X\n*/ SELECT 2"),
        ),
        (
            ("a.sql", "/* dune\nid: 4100001\nmatview: dune.acme.result_x\n*/ SELECT 1"),
            ("b_4100001.sql", "SELECT 2"),
        ),
        (
            ("a.sql", "/* dune\nid: 4100001\nmatview: dune.acme.result_x\n*/ SELECT 1"),
            ("b.sql", "/* dune\nid: 4100001\nmatview: dune.acme.result_y\n*/ SELECT 2"),
        ),
    ],
)
def test_two_versions_of_an_object(tmp_path, write, first, second):
    write(*first)
    write(*second)
    with pytest.raises(
        DuneCatalogError, match=r"a\S*\.sql, line \d and \S*b\S*\.sql, line \d are both .* different SQL"
    ):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_a_copy_of_an_object_is_left_out_with_a_warning(tmp_path, write, caplog):
    write("a_4100001.sql", "SELECT 1")
    write("b_4100001.sql", "select  1 -- the same\n;")
    assert only(tmp_path).slug == "a"
    (message,) = caplog.messages
    assert message.startswith("Left out of the catalog: ")
    assert "b_4100001.sql, line 1 is query_4100001, as " in message
    assert "a_4100001.sql, line 1 is, with the same SQL. Remove one of the files." in message
    with pytest.raises(DuneCatalogError, match=r"b_4100001\.sql, line 1 is query_4100001"):
        DuneCatalog.from_directory(tmp_path, strict=True)


@pytest.mark.parametrize("matview", ["a", "b"])
def test_of_a_matview_and_a_copy_of_its_query_the_copy_is_left_out(tmp_path, write, caplog, matview):
    query = "b" if matview == "a" else "a"
    write(f"{matview}_4100001.sql", "/* dune\nmatview: dune.acme.result_x\n*/ SELECT 1")
    write(f"{query}_4100001.sql", "SELECT 1")
    write("reader_4100002.sql", "/* dune\ndeps: [query_4100001]\n*/ SELECT 2")
    assert [obj.sql_name for obj in DuneCatalog.from_directory(tmp_path)] == ["dune.acme.result_x", "query_4100002"]
    (message,) = caplog.messages
    assert f"{query}_4100001.sql, line 1 is query_4100001, as " in message
    assert f"{matview}_4100001.sql, line 3 is, with the same SQL. Remove one of the files." in message


def test_two_matviews_may_have_one_query(tmp_path, write, caplog):
    for name in ("x", "y"):
        write(f"{name}.sql", f"/* dune\nid: 4100001\nmatview: dune.acme.result_{name}\n*/ SELECT 1")
    assert len(DuneCatalog.from_directory(tmp_path, strict=True)) == 2
    assert caplog.messages == []


def test_copies_beside_another_version_are_told_once(tmp_path, write, caplog):
    for name, sql in {"a": "SELECT 1", "b": "SELECT 1", "c": "SELECT 2", "good": "SELECT 3"}.items():
        write(f"{name}_{4100002 if name == 'good' else 4100001}.sql", sql)
    assert only(tmp_path).query_id == 4100002
    (message,) = caplog.messages
    assert "are all query_4100001, with different SQL" in message


def test_the_place_of_the_sql(tmp_path, write):
    places = {
        write("a_4100001.sql", "\n/* dune\ntags: [a]\n*/\n\nSELECT 1"): 6,
        write("b_4100002.sql", "\n-- first\n/* dune\ntags: [a]\n*/\n\nSELECT 1"): 2,
        write("c_4100003.sql", "\n\nSELECT 1"): 3,
    }
    assert {(obj.source.path, obj.source.line) for obj in DuneCatalog.from_directory(tmp_path)} == {
        (str(file), line) for file, line in places.items()
    }


SETTINGS = """\
queries:
  volumes.sql:
    id: 4711
    slug: pinned
    group: dex
    owners: [team:dex, ada@example.com]
    performance: large
    parameters: {chain: ethereum, day: 2024-01-31}
    deps: [dune.other.result_labels]
  deep/trades.sql: {matview: dune.acme.result_trades, id: 5, tags: [dex]}
external: [dune.other.result_labels]
"""


def test_settings_beside_the_files(tmp_path, write):
    write("dune.yml", SETTINGS)
    write("volumes.sql", "/* dune\nperformance: medium\nparameters: {chain: base}\n*/ SELECT '{{chain}}', '{{day}}'")
    write("deep/trades.sql")
    catalog = DuneCatalog.from_directory(tmp_path)
    query, matview = catalog["query_4711"], catalog["dune.acme.result_trades"]
    assert (query.slug, query.group, query.owners) == ("pinned", "dex", ("team:dex", "ada@example.com"))
    assert query.performance == "medium"
    assert query.query_parameters == {"chain": "base", "day": "2024-01-31"}
    assert query.deps == ("dune.other.result_labels",)
    assert (matview.query_id, matview.tags) == (5, ("dex",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query:\n  x.sql: {id: 1}", r", line 1: dune\.yml has no key 'query'\. Did you mean 'queries'\?"),
        (
            "queries:\n  x.sql:\n    ide: 1",
            r", line 3: dune\.yml has no key 'queries\.x\.sql\.ide'\. Did you mean 'id'\? The keys are: id, name, mat",
        ),
        (
            "queries:\n  x.sql:\n    parameters:\n      a: {typ: text}",
            r", line 4: dune\.yml has no key 'queries\.x\.sql\.parameters\.a\.typ'\. Did you mean 'type'",
        ),
        ("queries:\n  x.sql: {id: 0}", r", line 2: queries\.x\.sql\.id in dune\.yml is wrong"),
        ("queries:\n  y.sql: {id: 1}", r", line 2: there is no file y\.sql beside it\. Did you mean x\.sql\?"),
        ("queries:\n  x.sql: {id: 1}\n  x.sql: {id: 2}", r", line 3: 'x\.sql' stands twice in dune\.yml"),
        ("queries: [x.sql]", r", line 1: queries in dune\.yml is no list of keys and values"),
        ("- x", r", line 1: dune\.yml is no list of keys and values"),
        ("a: b: c", r", line 1: dune\.yml is no YAML"),
    ],
)
def test_bad_settings(tmp_path, write, text, message):
    write("x.sql", "SELECT {{a}}")
    file = write("dune.yml", text)
    with pytest.raises(DuneCatalogError, match=f"{file}{message}"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_the_nearest_settings_win_key_by_key(tmp_path, write):
    write("a/b/x.sql", "/* dune\ntags: [header]\n*/ SELECT {{n}}, {{m}}, {{k}}")
    write("y_4100002.sql", "SELECT 1")
    write(
        "dune.yml",
        "queries:\n  a/b/x.sql: {id: 4100001, group: top, slug: top, description: top, tags: [top], "
        "parameters: {n: top, m: top}}\n  y_4100002.sql: {group: top}\nexternal: [query_4100008, query_4100009]",
    )
    write(
        "a/dune.yml",
        "queries: {b/x.sql: {slug: middle, description: middle, tags: [middle]}}\nexternal: [query_4100009]",
    )
    write(
        "a/b/dune.yml",
        "queries: {x.sql: {description: near, parameters: {m: near, k: near}}}\nexternal: [query_4100007]",
    )
    write("a/.hidden/dune.yml", "wrong: 1")
    catalog = DuneCatalog.from_directory(tmp_path)
    query = catalog["query_4100001"]
    assert (query.group, query.slug, query.description, query.tags) == ("top", "middle", "near", ("header",))
    assert query.query_parameters == {"n": "top", "m": "near", "k": "near"}
    assert catalog["query_4100002"].group == "top"
    assert catalog.external == ("query_4100008", "query_4100009", "query_4100007")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "queries:\n  x.sql:\n    ide: 1",
            r", line 3: dune\.yml has no key 'queries\.x\.sql\.ide'\. Did you mean 'id'",
        ),
        (
            "queries:\n  top_4100003.sql: {id: 3}",
            r", line 2: there is no file top_4100003\.sql beside it\. Write its path as seen",
        ),
        ("queries:\n  a/x.sql: {id: 1}", r", line 2: there is no file a/x\.sql beside it\. Did you mean x\.sql\?"),
    ],
)
def test_bad_settings_of_a_subfolder(tmp_path, write, text, message):
    write("a/x.sql")
    write("top_4100003.sql")
    file = write("a/dune.yml", text)
    with pytest.raises(DuneCatalogError, match=f"{file}{message}"):
        DuneCatalog.from_directory(tmp_path, strict=True)


BAD_FILES = {
    "unknown key": (
        "id: 1\n\nmaterialised: x",
        r", line 4: the header has no key 'materialised'\. .*id, name, matview",
    ),
    "unknown key, close": ("performence: large", r", line 2: .*Did you mean 'performance'\?"),
    "unknown key of a parameter": (
        "parameters:\n  a:\n    typ: text",
        r", line 4: the header has no key 'parameters\.a\.typ'\. Did you mean 'type'\? The keys are: type, value",
    ),
    "key twice": ("id: 1\nid: 2", r", line 3: 'id' stands twice"),
    "parameter twice": ("parameters:\n  a: 1\n  a: 2", r", line 4: 'a' stands twice"),
    "no YAML": ("id: 1\nname: a: b", r", line 3: the header is no YAML"),
    "no mapping": ("- id", r", line 2: the header is no list of keys and values"),
    "id": ("id: abc", r", line 2: id in the header must be a whole number, not 'abc'\. Write its digits alone\."),
    "negative id": ("id: -1", r", line 2: id in the header is wrong"),
    "performance": ("performance: very large", r", line 2: performance in the header is wrong: "),
    "private": ("private: perhaps", r", line 2: private in the header must be true or false, not 'perhaps'"),
    "deps": (
        "deps: dex.trades",
        r", line 2: deps in the header must be a list, not 'dex\.trades'\. Write it as \[a, b\]\.",
    ),
    "a key in capitals": ("ID: 4100001", r", line 2: the header has no key 'ID'\. Did you mean 'id'\?"),
    "hours": (
        "freshness: {fail_hours: a day}",
        r", line 2: freshness\.fail_hours in the header must be a number, not 'a day'",
    ),
    "dep": ("deps: [trades]", r", line 2: in the header: 'trades' is no name that DuneSQL can read"),
    "parameters": ("parameters: [a]", r", line 2: parameters in the header is no list"),
    "parameter type": ("parameters: {a: {type: bool}}", r", line 2: parameters\.a\.type in the header is wrong"),
    "parameter value": (
        "parameters: {a: {type: number, value: x}}",
        r", line 2: The parameter 'a' of the query must be a number",
    ),
    "several values": (
        "parameters: {a: {multiple: false, value: [x]}}",
        r", line 2: The parameter 'a' of the query must be a text",
    ),
    "unused parameter": (
        "parameters: {Start date: x}",
        r", line 2: the header has a parameter 'Start date', but .* Did you mean 'Start Date'",
    ),
    "matview name": ("matview: result_x", r", line 2: in the header: 'result_x' is not the full name"),
    "empty matview name": ("matview:", r", line 2: in the header: A materialized view has no name"),
    "parameters of a matview": (
        "matview: dune.acme.result_x\nparameters: {a: x}",
        r", line 3: the materialized view dune\.acme\.result_x is given parameters",
    ),
    "slug of a matview": ("matview: dune.acme.result_x\nslug: x", r", line 3: the header has both matview and slug"),
    "empty name": ("name: ' '", r", line 2: in the header: A query is given an empty name"),
}


@pytest.mark.parametrize(("header", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_headers(tmp_path, write, header, message):
    file = write("bad_4100001.sql", f"/* dune\n{header}\n*/\nSELECT {{{{a}}}}, {{{{Start Date}}}}")
    with pytest.raises(DuneCatalogError, match=f"{file}{message}"):
        DuneCatalog.from_directory(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no SQL"),
        ("-- nothing\n;", "holds no SQL"),
        ("/* dune\nid: 1\n*/\n", "holds no SQL"),
        ("\n-- first\n/* dune\nid: 1\nSELECT 1", ", line 3: the header is not closed"),
        ("-- first\n\n/* dune\nid: 1\n\nteam: x\n*/ SELECT 1", ", line 6: the header has no key 'team'"),
        ("/* dune\nid: 1\n*/\n/* dune\nname: x\n*/ SELECT 1", ", line 4: this is the file's second header"),
        ("SELECT 'ä'".encode("latin-1"), ", line 1: this is no UTF-8 text; .* Save it as UTF-8"),
    ],
)
def test_bad_files(tmp_path, write, text, message):
    file = write("bad_4100001.sql", text)
    with pytest.raises(DuneCatalogError, match=f"^{file}.*{message}"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_errors_of_the_whole_catalog(tmp_path, write):
    write("a_4100001.sql", "SELECT * FROM query_4100002")
    write("b_4100002.sql", "SELECT * FROM query_4100001")
    with pytest.raises(DuneCatalogError, match="in a circle"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_objects_of_others_are_references(tmp_path, write):
    write("a_4100001.sql", "SELECT * FROM query_4100999 JOIN dune.other.result_x ON true")
    assert only(tmp_path).references == ("dune.other.result_x", "query_4100999")


def test_marks_of_joined_files_hide_no_comment(tmp_path, write):
    write("x.sql", "\ufeff\ufeff-- https://dune.com/queries/4711\nSELECT 1")
    assert (only(tmp_path).query_id, only(tmp_path).sql[:2]) == (4711, "--")


def test_sql_that_cannot_be_parsed_is_named_once_and_still_an_object(tmp_path, write, caplog):
    write("good_4100001.sql")
    file = write("bad_4100002.sql", "SELECT * FROM dex.trades WHERE ((")
    catalog = DuneCatalog.from_directory(tmp_path)
    DuneCatalog.merge(DuneCatalog.from_json(catalog.to_json()), DuneCatalog())
    assert catalog["query_4100002"].references == ("dex.trades",)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"The SQL of {file}, line 1 cannot be parsed; what it reads")


LINES = {
    "owners: [me]": "'me' is no owner",
    "matview: foo": "'foo' is not the full name",
    "deps: [foo]": "'foo' is no name",
    "name: ' '": "an empty name",
    "automation: {condition: on_cron, cron: '61 * * * *'}": "is no cron",
    "automation: {condition: on_cron}": "needs cron",
    "automation: {cron: '0 6 * * *'}": "automation in the header lacks condition",
    "freshness: {fail_hours: 1, warn_hours: 2}": "warn_hours",
    "freshness: soon": "freshness in the header is no list of keys and values. Its keys are: fail_hours, warn",
    "kinds: [a b]": "kinds in the header is wrong",
    "checks: {rows: {kind: rows}}": "the check rows of",
    "parameters: {b: {value: x, type: number}}": "must be a number",
    "parameters: {c: 1}": "has a parameter 'c'",
    "partitions: {kind: daily, start: 2024-01-01, parameters: {c: '{partition_key}'}}": "has a parameter 'c'",
}


@pytest.mark.parametrize(("setting", "message"), LINES.items(), ids=LINES)
@pytest.mark.parametrize("title", ["tags: [x]\n", ""])
def test_each_wrong_setting_is_told_with_its_line(tmp_path, write, setting, message, title):
    before = f"-- daily\n/* dune\n{title}description: |\n  two\n  lines\n"
    file = write("x_4100001.sql", f"{before}{setting}\n*/\nSELECT {{{{b}}}}")
    with pytest.raises(DuneCatalogError, match=re.escape(message)) as caught:
        DuneCatalog.from_directory(tmp_path, strict=True)
    assert f"{file}, line {before.count(chr(10)) + 1}: " in str(caught.value)


def test_a_setting_of_dune_yml_is_told_with_its_line(tmp_path, write):
    write("x_4100001.sql", "SELECT 1")
    file = write("dune.yml", "queries:\n  x_4100001.sql:\n    tags: [a]\n    owners: [me]\n")
    with pytest.raises(DuneCatalogError, match=re.escape(f"{file}, line 4: in dune.yml: 'me' is no owner.")):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_a_matview_with_what_is_of_a_query(tmp_path, write):
    file = write("x.sql", "/* dune\nmatview: dune.acme.result_x\nslug: y\n*/\nSELECT 1")
    with pytest.raises(DuneCatalogError, match=re.escape(f"{file}, line 3: the header has both matview and slug")):
        DuneCatalog.from_directory(tmp_path, strict=True)
    write("x.sql", "/* dune\nparameters: {a: 1}\nmatview: dune.acme.result_x\n*/\nSELECT {{a}}")
    with pytest.raises(DuneCatalogError, match=re.escape(f"{file}, line 2: the materialized view")):
        DuneCatalog.from_directory(tmp_path, strict=True)


@pytest.mark.parametrize("text", ["/* open", "-- x\n/* dune: open", "\u200b", "/* a */ ;;", "\ufeff\ufeff"])
def test_files_without_sql(tmp_path, write, text):
    write("x_4100001.sql", text)
    with pytest.raises(DuneCatalogError, match="holds no SQL"):
        DuneCatalog.from_directory(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/* Dune\nid: 4711\n*/\nSELECT 1", 1),
        ("/* dune: id: 4711 */\nSELECT 1", 1),
        ("-- daily\n/* DUNE\n\nMatview: dune.acme.result_x */\nSELECT 1", 2),
        ("-- daily\n-- dune\n-- performance: large\nSELECT 1", 2),
        ("SELECT 1\n/* dune\nid: 4711\n*/", 2),
    ],
)
def test_what_is_nearly_a_header_is_told(tmp_path, write, caplog, text, line):
    file = write("x_4100001.sql", text)
    assert only(tmp_path).sql_name == "query_4100001"
    (message,) = caplog.messages
    assert message.startswith(f"{file}, line {line}: this comment is not read as a header. ")


@pytest.mark.parametrize(
    "comment", ["/* dune */", "-- Dune", "-- dune\n-- volumes a day", "/* Dunes id: 1 */", "/* dune is id: 1 */"]
)
def test_other_comments_are_no_headers(tmp_path, write, caplog, comment):
    write("x_4100001.sql", f"{comment}\nSELECT 1")
    assert only(tmp_path).sql_name == "query_4100001"
    assert caplog.messages == []


def test_a_header_and_dune_yml_with_other_ids(tmp_path, write, caplog):
    file = write("x.sql", "/* dune\nid: 4711\n*/\nSELECT 1")
    write("dune.yml", "queries: {x.sql: {id: 4712}}")
    assert only(tmp_path).query_id == 4711
    assert caplog.messages == [
        f"{file} is taken for query 4711, as its header says; but dune.yml says 4712. Remove the wrong one."
    ]


def test_an_entry_that_stands_twice_in_dune_yml_takes_nothing_else_down(tmp_path, write, caplog):
    write("good_4100001.sql", "SELECT 1")
    bad = write("bad_4100002.sql", "SELECT 2")
    entries = "  bad_4100002.sql: {id: 4}\n  good_4100001.sql: {tags: [a]}\n  bad_4100002.sql: {id: 5}\n"
    file = write("dune.yml", f"queries:\n{entries}")
    assert only(tmp_path).tags == ("a",)
    words = f"{file}, line 4: 'bad_4100002.sql' stands twice in dune.yml. Remove one. So {bad} is left out."
    assert caplog.messages == [f"Left out of the catalog: {words}"]
    with pytest.raises(DuneCatalogError, match=re.escape(words)):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_a_wrong_external_name_of_dune_yml_takes_nothing_else_down(tmp_path, write, caplog):
    write("x_4100001.sql", "SELECT 1")
    file = write("dune.yml", "ids: suffix\nexternal: [foo, query_4100009]\n")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert ([obj.sql_name for obj in catalog], catalog.external) == (["query_4100001"], ("query_4100009",))
    (message,) = caplog.messages
    assert f"{file}, line 2: 'foo' is no name" in message
    with pytest.raises(DuneCatalogError, match=re.escape(f"{file}, line 2: 'foo' is no name")):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_tabs_in_a_header_are_named(tmp_path, write):
    write("x_4100001.sql", "/* dune\n\tid: 4711\n*/\nSELECT 1")
    with pytest.raises(DuneCatalogError, match=r"line 2: the header is no YAML: .* Write spaces in place of tabs"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_a_date_in_a_matviews_file_name_is_no_id_of_its_query(tmp_path, write, caplog):
    file = write("volume_20240131.sql", "/* dune\nmatview: dune.acme.result_volume\n*/\nSELECT 1 AS n")
    assert only(tmp_path).query_id is None
    assert (
        f"{file}: nothing says for sure which query backs dune.acme.result_volume: 20240131 in its name" in caplog.text
    )


def test_a_folder_that_cannot_be_read_is_left_out(tmp_path, write, caplog):
    """Its path is longer than any that a system takes, so that not even the superuser reads it."""
    write("x_4100001.sql")
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=folder)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    try:
        assert only(tmp_path).sql_name == "query_4100001"
    finally:
        shutil.rmtree(tmp_path / ("d" * 250))
    assert re.search(r"Left out of the catalog: The folder .*d{250} cannot be read: ", caplog.text)


def test_what_a_model_refuses_is_told_with_its_line():
    parsed = parse_sql_text("-- daily\n\nSELECT 1", "x.sql")
    with (
        pytest.raises(DuneCatalogError, match=r"x\.sql, line 3: query_id is wrong: Input should be greater than 0\."),
        parsed.located(),
    ):
        Query(query_id=-1)


def test_merges_are_read_as_yaml_reads_them(tmp_path, write, caplog):
    """As in a component's YAML. What an entry says itself counts, and of several the first."""
    write("a_4100001.sql")
    write("b_4100002.sql")
    parameters = "/* dune\nparameters:\n  x: &x {type: number, value: 1}\n  y: {<<: *x, value: 2}\n*/ "
    write("c_4100003.sql", parameters + "SELECT {{x}}, {{y}}")
    write(
        "dune.yml",
        "queries:\n"
        "  a_4100001.sql: &a {owners: [team:dex], performance: large, tags: [dex]}\n"
        "  b_4100002.sql: &b {<<: *a, performance: small}\n"
        "  c_4100003.sql: {<<: [{group: reports}, *b, {group: other}], tags: [c]}\n",
    )
    catalog = DuneCatalog.from_directory(tmp_path, strict=True)
    said = [(query.owners, query.performance, query.tags, query.group) for query in catalog.queries]
    assert said == [
        (("team:dex",), "large", ("dex",), None),
        (("team:dex",), "small", ("dex",), None),
        (("team:dex",), "small", ("c",), "reports"),
    ]
    x, y = catalog["query_4100003"].parameters
    assert (x.type, x.default, y.type, y.default) == ("number", "1", "number", "2")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            "{<<: large}",
            "line 3: << in dune.yml is no mapping. Name one by its alias (<<: *name), or several in a list.",
        ),
        ("{<<: [*a, large]}", "line 3: << in dune.yml is no mapping."),
        ("&b {<<: *b}", "line 3: a part of dune.yml holds itself."),
        ("{<<: *a, <<: *a}", "line 3: '<<' stands twice in dune.yml."),
        ("{'<<': *a}", "line 3: dune.yml has no key 'queries.b_4100002.sql.<<'."),
        ("{<<: {owner: x}}", "line 3: dune.yml has no key 'queries.b_4100002.sql.owner'. Did you mean 'owners'?"),
    ],
)
def test_a_merge_that_is_none_leaves_out_its_own_file(tmp_path, write, caplog, entry, words):
    write("a_4100001.sql")
    write("b_4100002.sql")
    write("dune.yml", f"queries:\n  a_4100001.sql: &a {{owners: [team:dex]}}\n  b_4100002.sql: {entry}\n")
    assert only(tmp_path).query_id == 4100001
    (told,) = caplog.messages
    assert words in told


def test_the_name_of_a_matviews_query_is_its_description_where_there_is_none(tmp_path, write):
    write("x_4100001.sql", "/* dune\nmatview: dune.acme.result_x\nname: All of X\n*/\nSELECT 1 AS x")
    write("y_4100002.sql", "/* dune\nmatview: dune.acme.result_y\nname: Y\ndescription: Why\n*/\nSELECT 1 AS x")
    assert [obj.description for obj in DuneCatalog.from_directory(tmp_path, strict=True)] == ["All of X", "Why"]
