"""Errors name the line of the file, the assets that Dune means, the host and the variable of the key; all bounded."""

import copy
import importlib
import pickle
import socket
import traceback

import dagster as dg
import pytest

import dagster_dune
from dagster_dune import (
    DuneAuthenticationError,
    DuneCatalog,
    DuneCatalogError,
    DuneCheck,
    DuneConfigurationError,
    DuneConnectionError,
    DuneError,
    DuneNotFoundError,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_assets,
)
from dagster_dune._execution.error_places import LONGEST_REASON, assets_named, line_in_file
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.catalog.sources.files.sql_text import code_line_of

HEADERS = {
    "no header": "",
    "a header": "/* dune\ndescription: four lines\n*/\n",
    "comments around a header": "-- one\n/* dune\ndescription: x\n*/\n-- two\n\n",
    "comments alone": "/* two\nlines */\n\n-- and one\n",
}
BODY = "SELECT\n  1 AS one,\n  wrong AS two\nFROM (VALUES 1) AS t (n)\n"


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_the_line_of_a_sql_error_is_that_of_the_file(dune, resource, instance, tmp_path, header):
    file = tmp_path / "query_4100001.sql"
    file.write_text(header + BODY)
    catalog = DuneCatalog.from_directory(tmp_path)
    dune.load_query(4100001, "q", catalog["query_4100001"].sql)
    result = dg.materialize(
        [build_dune_assets(catalog)], resources={"dune": resource}, instance=instance, raise_on_error=False
    )
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    number = file.read_text().splitlines().index("  wrong AS two") + 1
    assert f"In the file: {file}, line {number}, if Dune has saved it as it stands there." in said


def test_nothing_is_said_of_a_line_where_file_and_dune_differ(tmp_path):
    file = tmp_path / "query_4100001.sql"
    file.write_text("/* dune\nname: x\n*/\n" + BODY)
    (query,) = DuneCatalog.from_directory(tmp_path)
    assert "line 6" in line_in_file(query, "line 3:3: Column 'wrong' cannot be resolved")
    file.write_text("-- edited since\n" + BODY.replace("wrong", "right"))
    assert line_in_file(query, "line 3:3: Column 'wrong' cannot be resolved") == ""
    for reason in ("out of memory", "line 99:1: x", "line 0:0: x"):
        assert line_in_file(query, reason) == ""


@pytest.mark.parametrize(
    ("text", "line"), [("SELECT 1", 1), ("\n\n SELECT 1", 3), ("-- a\n/* b\n*/ SELECT 1", 3), ("-- only", 1), ("", 1)]
)
def test_the_first_line_of_code(text, line):
    assert code_line_of(text) == line


def test_the_assets_that_dune_means_are_named(dune, resource, instance):
    catalog = DuneCatalog(queries=[Query(query_id=1002, slug="pairs"), Query(query_id=10, slug="ten")])
    dune.load_query(10, "ten", "SELECT 1 AS one")
    result = dg.materialize(
        [build_dune_assets(catalog)], resources={"dune": resource}, instance=instance, raise_on_error=False
    )
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert "1002" in said
    first, asset, advice = said.splitlines()
    assert first.startswith("DuneNotFoundError: Dune answered 404 to POST /api/v1/pipelines/execute: ")
    assert asset == "Among the selected assets this is dune/pairs_1002."
    assert advice in DuneNotFoundError.default_hint
    assert "dune/ten_10" not in said


def test_a_check_that_dune_means_is_named(dune, resource, instance):
    check = DuneCheck(asset="query_10", name="few", kind="rows", query_id=1002)
    dune.load_query(10, "ten", "SELECT 1 AS one")
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=10, slug="ten")]), checks=[check])
    result = dg.materialize([assets], resources={"dune": resource}, instance=instance, raise_on_error=False)
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert "Among the selected assets this is dune/ten_10:few." in said


def test_the_line_and_the_page_of_a_check_that_is_broken_are_told(dune, resource, instance, tmp_path):
    (tmp_path / "ten_10.sql").write_text("/* dune\nid: 10\n*/\nSELECT 1 AS one")
    (tmp_path / "checks").mkdir()
    file = tmp_path / "checks" / "few_1002.sql"
    file.write_text("/* dune\nid: 1002\ncheck: query_10\n*/\n" + BODY)
    catalog = DuneCatalog.from_directory(tmp_path)
    dune.load_query(10, "ten", "SELECT 1 AS one")
    dune.load_query(1002, "few", catalog["query_1002"].sql)
    result = dg.materialize(
        [build_dune_assets(catalog)], resources={"dune": resource}, instance=instance, raise_on_error=False
    )
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert f"In the file: {file}, line 7" in said
    assert "On Dune: https://dune.com/queries/1002" in said


NAMED = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.acme.result_daily"),
        MaterializedView(name="dune.acme.result_daily_fees"),
        MaterializedView(name="dune.21co.result_x"),
    ],
    queries=[Query(query_id=100), Query(query_id=1002)],
)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("query 1002 not found", ["query_1002"]),
        ("Query with ID 1002 not found.", ["query_1002"]),
        ("The requested query (ID: 1002) is archived", ["query_1002"]),
        ("query_1002 and query_100 read each other", ["query_100", "query_1002"]),
        ("invalid query_id: 1002", ["query_1002"]),
        ('{"query_id":1002}', ["query_1002"]),
        ("queryId=1002", ["query_1002"]),
        ("no access to https://dune.com/queries/1002.", ["query_1002"]),
        ("GET /api/v1/query/1002/pipeline", ["query_1002"]),
        ("query '1002' is private", ["query_1002"]),
        ("query #100, of node 1002", ["query_100"]),
        ("query 10021 not found", []),
        ("query_1002_old, my_query_1002 and query1002 not found", []),
        ("a pipeline may have at most 100 nodes", []),
        ("the query may have 100 parameters", []),
        ("100 queries are too many, 1002 were sent", []),
        ("Invalid query: 100 nodes", []),
        ("Materialized view dune.acme.result_daily_fees not found", ["dune.acme.result_daily_fees"]),
        ("dune.acme.result_daily not found.", ["dune.acme.result_daily"]),
        ("'DUNE.acme.Result_Daily' is archived", ["dune.acme.result_daily"]),
        ('dune."21co".result_x, "dune"."acme"."result_daily"', ["dune.21co.result_x", "dune.acme.result_daily"]),
        ("dune.acme.result_dail, mydune.acme.result_daily, dune.acme.result_daily2", []),
        ("dune.other.result_daily not found", []),
    ],
)
def test_whole_names_and_the_numbers_of_queries_name_assets(message, names):
    selection = {obj.sql_name: obj.sql_name for obj in NAMED}
    said = f"Among the selected assets this is {', '.join(names)}." if names else ""
    assert assets_named(NAMED, selection, message) == said


def test_a_refusal_that_names_no_query_names_those_that_it_may_be_about(dune, resource, instance):
    """A parameter was taken out of a query on Dune, or a query was archived there, and the catalog is older."""
    for query_id in (10, 11, 12):
        dune.load_query(query_id, f"q{query_id}", "SELECT 1 AS one")
    given = [QueryParameter(key="chain", type="text", default="base")]
    queries = [Query(query_id=10, parameters=given), Query(query_id=11), Query(query_id=12)]

    def refused(*query_ids):
        assets = build_dune_assets(DuneCatalog(queries=[query for query in queries if query.query_id in query_ids]))
        config = dg.RunConfig(
            ops={"dune_assets": DuneRunConfig(query_parameters={"10": {"chain": "op"}} if 10 in query_ids else {})}
        )
        result = dg.materialize(
            [assets], resources={"dune": resource}, instance=instance, raise_on_error=False, run_config=config
        )
        (failed,) = result.get_step_failure_events()
        return failed.step_failure_data.user_failure_data.description.splitlines()

    unsure = "Dune does not say which query it means"
    assert f"{unsure}; of the selected assets these have such a parameter: dune/query_10." in refused(10, 11)
    with resource.get_client() as client:
        client.archive_query(12)
    diff = "dagster-dune catalog diff FOLDER names the files whose queries the account does not show."
    assert f"{unsure}: {diff}" in refused(11, 12)


def test_the_host_that_refused_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    resource = DuneResource(api_key="key", base_url=f"http://127.0.0.1:{port}", max_retries=0)
    with resource.get_client() as client, pytest.raises(DuneConnectionError, match=rf"at 127\.0\.0\.1:{port} \("):
        client.get_query(1)


def test_the_variable_of_the_key_is_named(dune, monkeypatch, instance):
    monkeypatch.setenv("TEAM_KEY", "wrong")
    resource = DuneResource(api_key=dg.EnvVar("TEAM_KEY"), base_url=dune.url, max_retries=0)
    with resource.get_client() as client, pytest.raises(DuneAuthenticationError, match="Check TEAM_KEY: the key must"):
        client.get_query(1)
    result = dg.materialize(
        [build_dune_assets(DuneCatalog(queries=[Query(query_id=1)]))],
        resources={"dune": resource},
        instance=instance,
        raise_on_error=False,
    )
    (failed,) = result.get_step_failure_events()
    assert "Check TEAM_KEY: the key must" in failed.step_failure_data.user_failure_data.description
    monkeypatch.setenv("TEAM_KEY", " ")
    with pytest.raises(DuneConfigurationError, match="is empty: the environment variable TEAM_KEY holds nothing"):
        resource.get_client()


def test_long_reasons_are_cut_in_events_and_whole_in_the_log(dune, resource, instance):
    dune.load_query(1, "q", "SELECT 1 AS one")
    words = "é" * 50_000 + " the end"
    dune.inject("failing_node", node=1, message=words)
    result = dg.materialize(
        [build_dune_assets(DuneCatalog(queries=[Query(query_id=1)]))],
        resources={"dune": resource},
        instance=instance,
        raise_on_error=False,
    )
    (failed,) = result.get_step_failure_events()
    told = failed.step_failure_data.user_failure_data
    assert "the whole text is in the run's log" in told.description
    assert len(told.description) < 2 * LONGEST_REASON
    for entry in instance.all_logs(result.run_id):
        if observation := entry.dagster_event and entry.dagster_event.is_asset_observation:
            assert len(str(entry.dagster_event.asset_observation_data)) < 10 * LONGEST_REASON, observation
    assert any("the end" in entry.user_message for entry in instance.all_logs(result.run_id))


def errors(kind=DuneError):
    for name in ("api.errors", "frames.results", "frames.uploads.tables", "components.account_reader"):
        importlib.import_module(f"dagster_dune.{name}")
    for below in kind.__subclasses__():
        if below.__module__.startswith("dagster_dune.emulator"):
            continue  # these stay in the server, whose answers they become
        yield below
        yield from errors(below)


@pytest.mark.parametrize("kind", sorted({DuneError, *errors()}, key=lambda kind: kind.__name__))
def test_errors_pickle(kind):
    if issubclass(kind, dagster_dune.DuneApiError):
        error = kind("no", method="GET", path="/api/v1/x", status=418, hint="Do this.")
    else:
        error = kind("Something is wrong.", hint="Do this.")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


def test_a_circle_in_python_names_the_line_that_made_it():
    queries = [Query(query_id=1, deps=["query_2"]), Query(query_id=2, deps=["query_1"])]
    line = traceback.extract_stack()[-1].lineno + 2
    with pytest.raises(DuneCatalogError) as caught:
        DuneCatalog(queries=queries)
    assert f"query_1 -> query_2 -> query_1 (in {__file__}, line {line})." in str(caught.value) or (
        f"query_2 -> query_1 -> query_2 (in {__file__}, line {line})." in str(caught.value)
    )
