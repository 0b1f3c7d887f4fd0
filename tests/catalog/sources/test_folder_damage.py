"""Folders as Git, other systems and other tools leave them: what is wrong is told, and takes nothing else down."""

import time
import unicodedata

import pytest

from dagster_dune import DuneCatalog
from dagster_dune.errors import DuneCatalogError

SQL = "SELECT 1 AS x"
READER = "/* dune\ndeps: [query_4100001, dune.acme.result_volume]\n*/\nSELECT * FROM dex.trades"


@pytest.fixture
def write(tmp_path):
    def write_files(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write_files


def names(folder, **options):
    return sorted(obj.sql_name for obj in DuneCatalog.from_directory(folder, **options))


def conflict(ours, theirs, base=""):
    middle = f"||||||| 1a2b3c\n{base}\n" if base else ""
    return f"<<<<<<< HEAD\n{ours}\n{middle}=======\n{theirs}\n>>>>>>> feature/x\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (conflict("SELECT 1", "SELECT 2"), 1),
        (f"SELECT *\n{conflict('FROM a.b', 'FROM c.d', 'FROM e.f')}", 2),
        (f"/* dune\n{conflict('id: 4100001', 'id: 4100002')}*/\nSELECT 1", 2),
        (conflict("SELECT 1", "SELECT 2").replace("\n", "\r\n"), 1),
    ],
)
def test_a_file_with_a_merge_conflict_is_left_out(write, caplog, text, line):
    folder = write({"a_4100001.sql": text, "good_4100002.sql": SQL})
    assert names(folder) == ["query_4100002"]
    (told,) = caplog.messages
    assert f"a_4100001.sql, line {line}: a conflict of a Git merge is not resolved. Keep one side" in told
    with pytest.raises(DuneCatalogError, match="conflict of a Git merge"):
        names(folder, strict=True)


def test_a_dune_yml_with_a_merge_conflict(write, caplog):
    folder = write(
        {"s/a_4100001.sql": SQL, "good_4100002.sql": SQL, "s/dune.yml": conflict("ids: prefix", "ids: suffix")}
    )
    assert names(folder) == ["query_4100002"]
    assert "s/dune.yml, line 1: a conflict of a Git merge is not resolved." in caplog.text
    assert "1 .sql file beside and below it is left out: " in caplog.text
    (folder / "dune.yml").write_text(f"ids: suffix\n{conflict('exclude: [a]', 'exclude: [b]')}")
    with pytest.raises(DuneCatalogError, match=r"dune\.yml, line 2: a conflict of a Git merge"):
        names(folder)


def test_lines_that_are_no_conflict_are_sql(write, caplog):
    assert names(write({"a_4100001.sql": "-- =======\n-- <<<<<<< old\nSELECT '>>>>>>> x' AS x"})) == ["query_4100001"]
    assert not caplog.messages


@pytest.mark.parametrize(
    "settings",
    [
        "queries:\n  a_4100001.sql: {performence: large}\n  v.sql: {matview: dune.acme.result_volume, tag: x}",
        "queries:\n  a_4100001.sql: {}\n  v.sql: {matview: dune.acme.result_volume}\nqueris: {}",
        "queries:\n  v.sql: {matview: dune.acme.result_volume}\n  a_4100001.sql: [",
    ],
    ids=["wrong entries", "an unknown key", "no YAML"],
)
def test_readers_of_what_a_wrong_dune_yml_leaves_out_stay(write, caplog, settings):
    folder = write({"s/a_4100001.sql": SQL, "s/v.sql": SQL, "s/dune.yml": settings, "r_4100002.sql": READER})
    catalog = DuneCatalog.from_directory(folder)
    assert [obj.sql_name for obj in catalog] == ["query_4100002"]
    assert set(catalog.external) == {"query_4100001", "dune.acme.result_volume"}
    assert "depends on" not in caplog.text
    assert "a_4100001.sql" in caplog.text
    assert "v.sql" in caplog.text


def test_readers_of_an_entry_that_stands_twice_stay(write):
    entry = "  v.sql: {matview: dune.acme.result_volume}\n"
    settings = f"queries:\n{entry}{entry}"
    assert names(write({"v.sql": SQL, "a_4100001.sql": SQL, "dune.yml": settings, "r_4100002.sql": READER})) == [
        "query_4100001",
        "query_4100002",
    ]


@pytest.mark.parametrize(("on_disk", "written"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_is_one_however_it_is_written(write, caplog, on_disk, written):
    file, folder_name = (unicodedata.normalize(on_disk, name) for name in ("café.sql", "été"))
    entry, excluded = (unicodedata.normalize(written, name) for name in ("café.sql", "été"))
    settings = f"queries:\n  {entry}: {{id: 4100001}}\nexclude: [{excluded}]"
    folder = write({file: SQL, f"{folder_name}/b_4100002.sql": SQL, "dune.yml": settings})
    assert names(folder) == ["query_4100001"]
    assert not caplog.messages


def test_two_files_that_differ_in_how_an_accent_is_written_have_their_own_entries(write):
    first, second = (unicodedata.normalize(form, "café.sql") for form in ("NFC", "NFD"))
    settings = f"queries:\n  {first}: {{id: 4100001}}\n  {second}: {{id: 4100002}}"
    catalog = DuneCatalog.from_directory(write({first: SQL, second: "SELECT 2 AS x", "dune.yml": settings}))
    assert {obj.sql_name: obj.sql for obj in catalog} == {"query_4100001": SQL, "query_4100002": "SELECT 2 AS x"}


@pytest.mark.parametrize(("name", "meant"), [("VOLUMES.SQL", "volumes.sql"), ("S/Daily.sql", "s/daily.sql")])
def test_an_entry_in_other_letters_is_told_with_the_file(write, caplog, name, meant):
    folder = write({"volumes.sql": SQL, "s/daily.sql": SQL, "dune.yml": f"queries:\n  {name}: {{id: 4100001}}"})
    names(folder)
    assert f"line 2: there is no file {name} beside it. Did you mean {meant}?" in caplog.text


def test_an_entry_may_begin_with_the_folder_itself(write):
    assert names(write({"v.sql": SQL, "dune.yml": "queries: {./v.sql: {id: 4100001}}"})) == ["query_4100001"]


@pytest.mark.parametrize("exclude", ["'*'", "'*.sql', s"])
def test_a_dune_yml_that_excludes_all_is_an_error_as_the_argument_is(write, exclude):
    folder = write({"a_4100001.sql": SQL, "s/b_4100002.sql": SQL})
    with pytest.raises(DuneCatalogError, match=r"holds no \.sql file that is not excluded"):
        DuneCatalog.from_directory(folder, exclude=["*.sql"])
    (folder / "dune.yml").write_text(f"exclude: [{exclude}]")
    with pytest.raises(DuneCatalogError, match=r"holds no \.sql file that is not excluded"):
        DuneCatalog.from_directory(folder)


def test_excluding_the_folder_itself_is_told(write, caplog):
    assert names(write({"a_4100001.sql": SQL, "dune.yml": "exclude: [.]"})) == ["query_4100001"]
    assert "dune.yml, line 1: '.' of exclude matches no file or folder." in caplog.text


NO_NAMES = {
    "https://dune.com/queries/4100002": "Did you mean query_4100002?",
    "good_4100002.sql": "Write query_<id>",
    "dune.acme.*": "Write query_<id>",
    "dex.trades, nft.trades": "Write query_<id>",
    "query_11(day='2026.01.01')": "Write query_<id>",
}


@pytest.mark.parametrize(("name", "hint"), NO_NAMES.items())
def test_what_is_no_name_is_no_dep(write, caplog, name, hint):
    header = f'/* dune\ndeps: ["{name}"]\n*/\n'
    folder = write({"a_4100001.sql": header + SQL, "b_4100002.sql": "SELECT 2", "dune.yml": f'external: ["{name}"]'})
    assert names(folder) == ["query_4100002"]
    places = [f"{folder / 'dune.yml'}, line 1: ", f"{folder / 'a_4100001.sql'}, line 2: in the header: "]
    for place, told in zip(places, caplog.messages, strict=True):
        assert f"{place}{name!r} is no name that DuneSQL can read. {hint}" in told


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{id: 4100001, parameters: {day: x}}", "dune.yml has a parameter 'day', but the SQL has no {{day}}."),
        ("{matview: dune.acme.result_volume, slug: v}", "dune.yml has both matview and slug, which is of a query."),
        ("{id: 4100001, checks: {c: {kind: row_count}}}", "(kind: row_count) needs at_least"),
        ("{id: 4100001, check: {kind: gate}}", "nothing says what the check checks"),
    ],
)
def test_what_dune_yml_says_against_the_sql_is_told_with_its_line(write, caplog, entry, words):
    folder = write(
        {"s/v.sql": SQL, "good_4100002.sql": "SELECT 2", "s/dune.yml": f"# ours\nqueries:\n  v.sql: {entry}"}
    )
    assert names(folder) == ["query_4100002"]
    (told,) = caplog.messages
    assert f"{folder / 's/dune.yml'}, line 3: " in told
    assert words in told
    assert told.endswith(f"So {folder / 's/v.sql'} is left out.")


@pytest.mark.parametrize("text", ['{"error": "Query not found"}', "todo", "dex.trades", "1 + 1"])
def test_a_file_that_holds_no_statement_is_told(write, caplog, text):
    assert names(write({"a_4100001.sql": text})) == ["query_4100001"]
    assert "a_4100001.sql, line 1 cannot be parsed" in caplog.text


@pytest.mark.parametrize("text", ["VALUES 1, 2", "(SELECT 1) UNION SELECT 2", "WITH a AS (SELECT 1) SELECT * FROM a"])
def test_statements_that_begin_otherwise_are_no_less(write, caplog, text):
    names(write({"a_4100001.sql": text}))
    assert not caplog.messages


def test_a_matview_whose_sql_has_a_parameter_is_told(write, caplog):
    sql = "/* dune\nmatview: dune.acme.result_volume\n*/\n-- by chain\nSELECT '{{chain}}' AS x"
    assert names(write({"a_4100001.sql": sql})) == ["dune.acme.result_volume"]
    words = (
        "a_4100001.sql, line 5: the SQL of the materialized view dune.acme.result_volume has the parameter {{chain}}"
    )
    assert words in caplog.text


@pytest.mark.parametrize(
    "files",
    [
        {"c_4100001.sql": "/* dune\ncheck: query_4100002\ndeps: [query_4100009]\n*/\nSELECT 1"},
        {"c_4100001.sql": "/* dune\nchecks: {n: {kind: row_count, at_least: 1}}\ndeps: [query_4100009]\n*/\nSELECT 1"},
        {f"{name}_4100001.sql": f"/* dune\ncheck: query_4100002\n*/\nSELECT '{name}'" for name in "cd"},
    ],
)
def test_the_checks_of_a_file_that_is_left_out_are_not_told_as_well(write, caplog, files):
    catalog = DuneCatalog.from_directory(write({"good_4100002.sql": SQL, **files}))
    assert [obj.sql_name for obj in catalog] == ["query_4100002"]
    assert catalog.checks == ()
    assert len(caplog.messages) == 1


def test_two_matviews_of_one_query_have_one_backing_query(write):
    header = "/* dune\nmatview: dune.acme.result_{}\n*/\n"
    files = {f"{name}_4100001.sql": header.format(name) + SQL for name in ("daily", "weekly")}
    catalog = DuneCatalog.from_directory(write(files))
    assert [query.query_id for query in catalog.with_backing_queries().queries] == [4100001]


def test_thousands_of_folders_with_settings_are_read_in_a_moment(write, caplog):
    files = {f"s{number}/q_{4200000 + number}.sql": SQL for number in range(1_000)}
    files |= {f"s{number}/dune.yml": "external: [query_5]\nexclude: [old]" for number in range(1_000)}
    folder = write(files)
    before = time.process_time()
    assert len(DuneCatalog.from_directory(folder)) == 1_000
    assert time.process_time() - before < 10  # it was 30 for these, and grew with the square
    assert len(caplog.messages) == 1_000
