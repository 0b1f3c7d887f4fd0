"""Folders with damage: what is wrong is left out and named, and nothing ends in a raw error or takes for ever."""

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.sources.files.folder_settings import FolderSettings
from dagster_dune.catalog.sources.files.header import Header
from dagster_dune.errors import DuneCatalogError

GOOD = "/* dune\nperformance: large\nparameters: {day: 2024-01-31}\n*/\nSELECT '{{day}}' FROM dex.trades"
FOLDERS = int(os.environ.get("DUNE_TEST_DAMAGED_FOLDERS", "40"))


def deep(opening, closing, depth=20_000):
    return opening * depth + closing * depth


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)

HOSTILE_HEADERS = {
    "bomb": (BOMB, "too large|has no key"),
    "self": ("tags: &a [*a]", "holds itself"),
    "list as a key": ("? [a, b]\n: c", "a key in the header is no text"),
    "mapping as a key": ("? {a: b}\n: c", "a key in the header is no text"),
    "control character": ("name: a\x07b", r", line 2: the header is no YAML: it holds the character"),
    "long id": ("id: " + "9" * 5000, "id in the header is wrong"),
    "huge id": ("id: " + "9" * 19, "id in the header is wrong"),
    "deep": ("tags: " + deep("[", "]"), "nested too deeply"),
    "deep mappings": ("tags: " + deep("{a: ", "}"), "nested too deeply"),
    "long key": ("k" * 100_000 + ": 1", "the header is no YAML"),
    "tag": ("name: !!python/object/apply:os.system [echo]", "name in the header is wrong"),
    "merge key": ("<<: *nothing", "the header is no YAML"),
    "many documents": ("id: 1\n---\nid: 2", "the header is no YAML"),
    "bad dates": ("partitions: {kind: daily, start: 99999-01-01, parameters: {day: x}}", "partitions.start"),
    "long number": ("freshness: {fail_hours: " + "9" * 5000 + "}", "fail_hours"),
    "infinite": ("freshness: {fail_hours: .inf}", "fail_hours"),
}


@pytest.mark.parametrize(("header", "message"), HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
@pytest.mark.parametrize("place", ["header", "dune.yml"])
def test_hostile_headers(tmp_path, caplog, header, message, place):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    bad = tmp_path / "sub" / "bad_4100002.sql"
    bad.parent.mkdir()
    start = time.process_time()
    if place == "header":
        bad.write_text(f"/* dune\n{header}\n*/\nSELECT 1")
    else:
        lines = "".join(f"    {line}\n" for line in header.splitlines())
        bad.write_text("SELECT 1")
        (bad.parent / "dune.yml").write_text(f"queries:\n  bad_4100002.sql:\n{lines}")
        message = message.replace("the header", r"(the header|dune\.yml)").replace(", line 2", ", line 3")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert time.process_time() - start < 5
    assert [obj.sql_name for obj in catalog] == ["query_4100001"]
    (text,) = caplog.messages
    assert str(bad.parent) in text
    assert len(text) < 2000
    with pytest.raises(DuneCatalogError, match=message):
        DuneCatalog.from_directory(tmp_path, strict=True)


HOSTILE_SQL = {
    "spaces": "--" + " " * 300_000 + "\nSELECT 1",
    "open comments": "/*" * 50_000 + "\nSELECT 1",
    "many comments": "-- x\n" * 50_000 + "SELECT 1",
    "nearly headers": ("-- dune" + " " * 300 + "\n") * 3_000 + "SELECT 1",
    "nearly a header": "/* dune" + " " * 100_000 + "\n*/SELECT 1",
    "braces": "SELECT " + "{" * 100_000,
    "parameters": "SELECT " + ", ".join(f"{{{{p{number}}}}}" for number in range(2_000)),
    "parentheses": "SELECT " + deep("(", ")"),
    "some parentheses": "SELECT * FROM dex.trades WHERE " + deep("(", ")", 60),
    "open parentheses": "SELECT * FROM dex.trades WHERE " + "(" * 5_000,
    "subqueries": "SELECT * FROM " + "(SELECT * FROM " * 500 + "dex.trades" + ")" * 500,
    "cases": "SELECT " + "CASE WHEN a THEN " * 300 + "1" + " END" * 300,
    "nots": "SELECT " + "NOT " * 20_000 + "a FROM dex.trades",
    "sum": "SELECT " + " + ".join(["1"] * 20_000) + " FROM dex.trades",
    "arrays": "SELECT " + deep("ARRAY[", "]", 300),
    "maps": "SELECT " + "MAP(ARRAY[" * 100 + "1" + "])" * 100,
    "rows": "SELECT " + "ROW(" * 100 + "1" + ")" * 100,
    "quotes": "SELECT " + "'" * 99_999,
    "unions": " UNION ALL ".join(["SELECT a FROM dex.trades"] * 2_000),
    "long name": "SELECT * FROM query_" + "9" * 5_000 + ", " + "a" * 100_000 + "." + "b" * 100_000,
    "semicolons": "SELECT 1" + ";" * 50_000,
    "lambdas": "SELECT " + "x -> " * 2_000 + "1",
    "cases without an end": "SELECT " + "CASE WHEN a THEN " * 20_000,
    "ifs without an end": "SELECT " + "IF a THEN " * 20_000,
    "names and braces": "SELECT " + "a { " * 20_000,
    "froms": "SELECT * FROM dex.trades, " + "FROM " * 30_000,
    "queries without brackets": "SELECT a " + "FROM SELECT a " * 30_000,
    "joins of queries without brackets": "SELECT * FROM a " + "JOIN SELECT a FROM b " * 20_000,
    "joins without ON": "SELECT * FROM dex.trades " + "JOIN a " * 40,
    "joins without ON in brackets": "SELECT * FROM " + "(dex.trades JOIN a LEFT JOIN " * 20,
    "joins before their ON": "SELECT * FROM dex.trades " + "JOIN a " * 40 + "ON true " * 39,
    "surrogates": "SELECT '\U0010ffff\u2028\x0b\x1c\x85'",
}


@pytest.mark.parametrize("sql", HOSTILE_SQL.values(), ids=HOSTILE_SQL.keys())
def test_hostile_sql(tmp_path, sql):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    (tmp_path / "bad_4100002.sql").write_text(sql)
    start = time.process_time()
    catalog = DuneCatalog.from_directory(tmp_path)
    assert time.process_time() - start < 10
    assert "query_4100001" in catalog
    DuneCatalog.from_json(catalog.to_json())


DOCUMENTS = {
    "deep": deep("[", "]", 200_000),
    "deep object": '{"version": 1, "queries": ' + deep('[{"deps":', "}]") + "}",
    "digits": '{"version": 1, "queries": [{"query_id": ' + "9" * 5_000 + "}]}",
    "huge id": '{"version": 1, "queries": [{"query_id": 99999999999999999999}]}',
    "a surrogate": '{"version": 1, "queries": [{"query_id": 1, "name": "\\ud800"}]}',
    "not a number": '{"version": NaN}',
    "wrong types": '{"version": 1, "queries": {"a": 1}}',
    "bytes": b"\xff\xfe\x00{",
    "empty": "",
    "a ring": '{"version": 1, "queries": [{"query_id": 1, "deps": ["query_2"]}, {"query_id": 2, "deps": ["query_1"]}]}',
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_hostile_documents(tmp_path, document):
    file = tmp_path / "catalog.json"
    file.write_bytes(document if isinstance(document, bytes) else document.encode())
    with pytest.raises(DuneCatalogError, match=str(file)):
        DuneCatalog.from_file(file)


def test_odd_files(tmp_path, caplog):
    (tmp_path / "good_4100001.sql").write_text(GOOD + " JOIN query_4100002 ON true")
    (tmp_path / "utf16_4100002.sql").write_bytes("SELECT 1".encode("utf-16"))
    (tmp_path / "cp1252_4100003.sql").write_bytes("SELECT 1\n, 'é'".encode("cp1252"))
    (tmp_path / "null_4100004.sql").write_bytes(b"SELECT 1\x00")
    (tmp_path / "large_4100005.sql").write_text("-- " + "x" * 2_000_000 + "\nSELECT 1")
    (tmp_path / "empty_4100006.sql").write_text("")
    (tmp_path / "comment_4100007.sql").write_text("-- gone\n/* for good */")
    (tmp_path / "wide_4100012.sql").write_bytes("SELECT 1".encode("utf-16-le"))
    (tmp_path / "folder_4100008.sql").mkdir()
    (tmp_path / "nowhere_4100009.sql").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe_4100010.sql")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff_4100011.sql")).write_text("SELECT 1")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert [obj.sql_name for obj in catalog] == ["query_4100001"]
    assert "query_4100002" in catalog["query_4100001"].references
    for name in ["utf16", "cp1252", "null_", "large", "empty", "comment", "nowhere", "pipe", "4100011", "wide"]:
        assert len([text for text in caplog.messages if f"{name}" in text]) == 1, name
    assert len(caplog.messages) == 10
    assert "cp1252_4100003.sql, line 2: this is no UTF-8 text" in caplog.text
    assert "looks like UTF-16" in caplog.text
    assert "nowhere_4100009.sql cannot be read: No such file or directory. Let this process" in caplog.text
    assert "pipe_4100010.sql cannot be read: it is no regular file. Remove it, or list it in exclude" in caplog.text
    assert "wide_4100012.sql, line 1: there are null characters" in caplog.text


def test_a_link_to_a_folder_elsewhere_is_followed_once(tmp_path, caplog):
    folder, elsewhere = tmp_path / "queries", tmp_path / "elsewhere"
    for path in (folder, elsewhere / "deeper"):
        path.mkdir(parents=True)
    (folder / "one_4100001.sql").write_text("SELECT 1")
    (elsewhere / "deeper" / "two_4100002.sql").write_text("SELECT 2")
    (tmp_path / "beside_4100003.sql").write_text("SELECT 3")
    (folder / "link").symlink_to(elsewhere)
    (folder / "again").symlink_to(elsewhere / "deeper")
    (folder / "own").symlink_to(folder)
    (folder / "above").symlink_to(tmp_path)
    (elsewhere / "back").symlink_to(folder)
    catalog = DuneCatalog.from_directory(folder, strict=True)
    assert {obj.sql_name for obj in catalog} == {"query_4100001", "query_4100002"}
    assert caplog.messages == []


def test_what_is_left_out_may_be_named_by_deps(tmp_path, caplog):
    (tmp_path / "bad_4100001.sql").write_text("-- nothing")
    (tmp_path / "reader_4100002.sql").write_text("/* dune\ndeps: [query_4100001]\n*/ SELECT 1")
    (tmp_path / "lost_4100003.sql").write_text("/* dune\ndeps: [query_4100009]\n*/ SELECT 1")
    (tmp_path / "its_reader_4100004.sql").write_text("/* dune\ndeps: [query_4100003]\n*/ SELECT 1")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert {obj.sql_name for obj in catalog} == {"query_4100002", "query_4100004"}
    assert set(catalog.external) == {"query_4100001", "query_4100003"}
    assert len(caplog.messages) == 2


def test_rings_are_left_out_and_named_once_each(tmp_path, caplog):
    for name, reads in {"a_4100001": 4100002, "b_4100002": 4100001, "c_4100003": 4100001}.items():
        (tmp_path / f"{name}.sql").write_text(f"SELECT * FROM query_{reads}")
    (tmp_path / "own.sql").write_text(
        "/* dune\nmatview: dune.acme.result_own\nid: 4100010\n*/ SELECT * FROM query_4100011"
    )
    (tmp_path / "view_4100011.sql").write_text("SELECT * FROM dune.acme.result_own")
    (tmp_path / "backed.sql").write_text(
        "/* dune\nmatview: dune.acme.result_backed\nid: 4100020\n*/ SELECT * FROM query_4100021"
    )
    (tmp_path / "view_4100021.sql").write_text("SELECT * FROM query_4100020")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert [obj.sql_name for obj in catalog] == ["query_4100003"]
    rings = [text for text in caplog.messages if "in a circle" in text]
    assert len(rings) == 3
    assert "query_4100001 -> query_4100002 -> query_4100001" in caplog.text
    assert f"({tmp_path / 'a_4100001.sql'}, line 1)" in caplog.text
    assert "dune.acme.result_own -> query_4100011 -> dune.acme.result_own" in caplog.text
    assert "query_4100020 -> query_4100021 -> query_4100020" in caplog.text


def test_a_query_that_reads_itself_is_a_ring(tmp_path, caplog):
    for name, reads in {"own_4100001": "query_4100001", "reader_4100002": "query_4100001 JOIN query_4100010"}.items():
        (tmp_path / f"{name}.sql").write_text(f"SELECT * FROM {reads}")
    (tmp_path / "x.sql").write_text("/* dune\nmatview: dune.acme.result_x\nid: 4100010\n*/ SELECT * FROM query_4100010")
    (tmp_path / "y.sql").write_text(
        "/* dune\nmatview: dune.acme.result_y\nid: 4100011\n*/ SELECT * FROM dune.acme.result_y"
    )
    catalog = DuneCatalog.from_directory(tmp_path)
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_y", "query_4100002"]
    assert len(caplog.messages) == 2
    assert f"query_4100001 ({tmp_path / 'own_4100001.sql'}, line 1) reads itself as query_4100001" in caplog.text
    assert f"dune.acme.result_x ({tmp_path / 'x.sql'}, line 4) reads itself as query_4100010" in caplog.text


def test_a_ring_that_only_the_two_make(caplog):
    folder = DuneCatalog(queries=[Query(query_id=1, deps=["query_2"]), Query(query_id=2), Query(query_id=3)])
    account = DuneCatalog(
        queries=[Query(query_id=2, sql="SELECT * FROM query_1"), Query(query_id=4, sql="SELECT * FROM query_2")]
    )
    catalog = DuneCatalog.merge(folder, account)
    assert [obj.sql_name for obj in catalog] == ["query_3", "query_4"]
    with pytest.raises(DuneCatalogError, match="in a circle"):
        DuneCatalog.merge(folder, account, strict=True)


def test_contradictions_of_the_two_leave_out_one(caplog):
    folder = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_x", query_id=5)],
        queries=[Query(query_id=1, query_parameters={"n": 1}), Query(query_id=2, query_parameters={"m": 1})],
    )
    account = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_y", query_id=2)],
        queries=[Query.model_validate({"query_id": 1, "parameters": [{"key": "m"}]}), Query(query_id=5)],
    )
    catalog = DuneCatalog.merge(folder, account)
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_x"]
    assert len(caplog.messages) == 2


def test_what_an_exclude_does_not_match_is_told_with_its_line(tmp_path, caplog):
    (tmp_path / "x" / "_deprecated").mkdir(parents=True)
    (tmp_path / "x" / "_deprecated" / "old_4100001.sql").write_text("SELECT 1")
    (tmp_path / "x" / "notes.md").write_text("notes")
    (tmp_path / "good_4100002.sql").write_text(GOOD)
    (tmp_path / "dune.yml").write_text("ids: prefix\nexclude:\n  - x/_deprecated\n  - _deprecatd\n  - .venv\n")
    (tmp_path / "x" / "dune.yml").write_text("exclude: zzz\n")
    (tmp_path / "x" / "more_4100003.sql").write_text("SELECT 1")
    assert len(DuneCatalog.from_directory(tmp_path, exclude=["*.md", "nothing"], strict=True)) == 2
    ways = "Write names, paths as seen from there, or globs."
    close = "Did you mean _deprecated?"
    assert caplog.messages == [
        f"{tmp_path}: 'nothing' of exclude matches no file or folder. {ways}",
        f"{tmp_path / 'dune.yml'}, line 4: '_deprecatd' of exclude matches no file or folder. {close}",
        f"{tmp_path / 'x' / 'dune.yml'}, line 1: 'zzz' of exclude matches no file or folder. {ways}",
    ]


def test_folders_that_are_not_read(tmp_path, caplog):
    for name in ("_deprecated/a_4100001.sql", "x/_deprecated/b_4100002.sql", "x/c_4100003.draft.sql", "d_4100004.sql"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff")
    (tmp_path / "_deprecated" / "dune.yml").write_text("{")
    (tmp_path / "good_4100005.sql").write_text(GOOD)
    assert len(DuneCatalog.from_directory(tmp_path, exclude=["_deprecated", "*.draft.sql", "d_*"], strict=True)) == 1
    (tmp_path / "x" / "dune.yml").write_text("exclude: [_deprecated/, '*.draft.sql']")
    (tmp_path / "dune.yml").write_text("exclude: d_4100004.sql\n")
    assert len(DuneCatalog.from_directory(tmp_path, exclude="_deprecated/*", strict=True)) == 1
    assert caplog.messages == []


def test_a_broken_dune_yml_leaves_out_what_it_speaks_of(tmp_path, caplog):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x_4100002.sql").write_text("SELECT 1")
    (tmp_path / "a" / "dune.yml").write_bytes(b"queries: \xff")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x_4100003.sql").write_text("SELECT 1")
    (tmp_path / "b" / "y_4100004.sql").write_text("SELECT 2")
    (tmp_path / "b" / "dune.yml").write_text(
        "queries:\n  x_4100003.sql: {performence: large}\n  gone.sql: {id: 1}\n  y_4100004.sql: {tags: [kept]}"
    )
    catalog = DuneCatalog.from_directory(tmp_path)
    assert {obj.sql_name: obj.tags for obj in catalog} == {"query_4100001": (), "query_4100004": ("kept",)}
    assert [text.count("dune.yml, line ") for text in caplog.messages] == [1, 1, 1]
    assert "b/dune.yml, line 2: dune.yml has no key 'queries.x_4100003.sql.performence'" in caplog.text
    assert "b/dune.yml, line 3: there is no file gone.sql" in caplog.text


damage = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text("/*-\n dune:[]{}&*!?|>'\"%@`,#=\t0123456789.()", max_size=300).map(str.encode),
    st.sampled_from([*HOSTILE_SQL.values()][-1:] + [header for header, _ in HOSTILE_HEADERS.values()]).map(
        lambda header: f"/* dune\n{header}\n*/\nSELECT 1".encode()
    ),
)
keys = st.sampled_from([*Header.model_fields, *FolderSettings.model_fields])
yaml_values = st.recursive(
    st.one_of(
        st.text(max_size=20), st.integers(), st.sampled_from(["1e999", "0x1", "~", "dune.a.result_b", "query_1"])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
headers = st.dictionaries(keys, yaml_values, max_size=4)
names = st.one_of(
    st.from_regex(r"[a-z]{1,8}(_| \(|___)?[0-9]{0,12}\)?", fullmatch=True),
    st.sampled_from(["dune", "query_4100001", "a_4100001", "b_4100002", "c_4100003"]),
)


def cut_and_mixed(text, draw):
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            place = draw(st.integers(0, len(data) - 1))
            data[place : place + draw(st.integers(0, 5))] = draw(st.binary(max_size=3))
    return bytes(data)


@st.composite
def files(draw):
    header = json.dumps(draw(headers), ensure_ascii=draw(st.booleans()))
    kind = draw(st.sampled_from(["damage", "sql", "yml"]))
    if kind == "damage":
        return draw(names) + draw(st.sampled_from([".sql", ".SQL"])), draw(damage)
    if kind == "yml":
        return "dune.yml", cut_and_mixed(header, draw)
    reads = draw(
        st.sampled_from(["dex.trades", "query_4100001", "query_4100002", "dune.a.result_b", '"query_1(a=1)"', ""])
    )
    return draw(names) + ".sql", cut_and_mixed(f"/* dune\n{header}\n*/\nSELECT * FROM {reads}", draw)


@settings(max_examples=FOLDERS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["", "sub/", "sub/deeper/"]), files()), min_size=1, max_size=6))
def test_no_damage_ends_in_a_raw_error(found):
    with TemporaryDirectory() as name:
        folder = Path(name)
        for place, (file, content) in found:
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / file).write_bytes(content)
        start = time.process_time()
        try:
            catalog = DuneCatalog.from_directory(folder)
        except DuneCatalogError:
            return
        assert time.process_time() - start < 10
        assert DuneCatalog.from_json(catalog.to_json()).content_hash == catalog.content_hash
        DuneCatalog.merge(catalog, DuneCatalog(queries=[Query(query_id=4100001, sql="SELECT 1")]))


@pytest.mark.parametrize(
    "entry", ["{id: 5, id: 6}", "{? [a] : b}", "&a {tags: *a}", "{tags: " + deep("[", "]", 40) + "}"]
)
def test_a_wrong_entry_of_dune_yml_leaves_out_its_own_file(tmp_path, caplog, entry):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    (tmp_path / "bad_4100002.sql").write_text("SELECT 1")
    (tmp_path / "dune.yml").write_text(f"queries:\n  bad_4100002.sql: {entry}\n  good_4100001.sql: {{tags: [kept]}}\n")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert {obj.sql_name: obj.tags for obj in catalog} == {"query_4100001": ("kept",)}
    (message,) = caplog.messages
    assert f"{tmp_path / 'dune.yml'}, line 2: " in message
    assert f"So {tmp_path / 'bad_4100002.sql'} is left out." in message


def test_keys_of_dune_yml_with_nothing_behind_them_say_nothing(tmp_path, caplog):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    (tmp_path / "dune.yml").write_text("queries:\n  # later\nexternal:\nexclude:\nids:\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other_4100002.sql").write_text("SELECT 1")
    (tmp_path / "sub" / "dune.yml").write_text("queries:\n  other_4100002.sql:\n    # later\n")
    assert len(DuneCatalog.from_directory(tmp_path, strict=True)) == 2
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["dune.yaml", "Dune.yml", "DUNE.YAML"])
def test_settings_under_another_name_are_told(tmp_path, caplog, name):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    (tmp_path / name).write_text("ids: prefix")
    assert len(DuneCatalog.from_directory(tmp_path)) == 1
    (message,) = caplog.messages
    assert message.endswith(f"{tmp_path / name} is not read: settings stand in dune.yml. Rename it, or exclude it.")
    assert len(DuneCatalog.from_directory(tmp_path, exclude=[name], strict=True)) == 1
    with pytest.raises(DuneCatalogError, match="is not read"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_a_character_that_yaml_does_not_take_is_shown(tmp_path):
    (tmp_path / "good_4100001.sql").write_text(GOOD)
    (tmp_path / "dune.yml").write_text("exclude: [x]\nids: \x07")
    with pytest.raises(DuneCatalogError, match=r"line 2: dune.yml is no YAML: it holds the character '\\x07'. Remove"):
        DuneCatalog.from_directory(tmp_path)
