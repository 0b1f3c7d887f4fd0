"""`DuneComponent`: its sources, and when the account is read, in a real deployment where that matters."""

import asyncio
import inspect
import itertools
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import dagster as dg
import pytest
from dagster.components import DefsStateConfigArgs
from dagster.components.resolved.errors import ResolutionException
from deployment import ROOT
from served_location import assert_runs, once, reads, reload_location, served, shown_assets
from stored_files import files_with, stored_files
from waiting import wait_until

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneComponent,
    DuneConfigurationError,
    DuneResource,
    MaterializedView,
    Query,
    build_dune_assets,
    build_dune_definitions,
)
from dagster_dune.catalog.document import write_document
from dagster_dune.components import account_reader as fetching
from dagster_dune.components.fields import refuse_literal_key
from dagster_dune.definitions import DuneAssetsOptions

DAILY = "dune.acme.result_daily"


@pytest.fixture(autouse=True)
def no_time_spent():
    """Each test has the whole time limit, whatever the tests before it have read."""
    fetching._read_intervals.clear()


@pytest.fixture
def account(dune, monkeypatch):
    """A local Dune with a matview and a query that reads it, and the environment of a code location."""
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(1, "Daily", "SELECT block_date, COUNT(*) AS trades FROM dex.trades GROUP BY 1")
    dune.load_query(2, "Top days é", f"SELECT * FROM {DAILY} ORDER BY trades DESC LIMIT 3")
    dune.load_materialized_view(DAILY, 1)
    return dune


def keys(defs):
    return {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}


def build(**fields):
    return dg.build_defs_for_component(DuneComponent(**fields))


# --- one read a load of the code location ---


def test_an_account_is_read_once_a_load_and_never_by_runs(account, tmp_path):
    daily = ("dune", "acme", "result_daily")
    with served(
        tmp_path / "home", account, "-f", str(ROOT / "tests" / "support" / "locations" / "component_location.py")
    ) as deployment:
        assert set(shown_assets(deployment)) == {"dune/acme/result_daily", "dune/query_2", "dune/dex/trades"}
        assert_runs(deployment, daily, ("dune", "query_2"))
        assert_runs(deployment, daily)
        assert reads(account) == once(1, 2)

        account.load_query(2, "Renamed", f"SELECT * FROM {DAILY} JOIN prices.day ON true")
        account.load_query(3, "New", "SELECT * FROM query_2")
        assert reload_location(deployment)["__typename"] == "RepositoryLocation"
        assert reads(account) == once(1, 2) + once(1, 2, 3)
        assert set(shown_assets(deployment)) == {
            "dune/acme/result_daily",
            "dune/query_2",
            "dune/query_3",
            "dune/dex/trades",
            "dune/prices/day",
        }
        assert_runs(deployment, ("dune", "query_3"))
        assert reads(account) == once(1, 2) + once(1, 2, 3)

        assert any(path.suffix == ".db" for path, _ in stored_files(deployment.home))
        assert files_with(account.api_key, deployment.home) == []


# --- in YAML ---

VOLUME = "dune.acme.result_volume"
SQL = "SELECT 1 AS n FROM dex.trades LIMIT 1"
FOLDER_YAML = """
type: dagster_dune.DuneComponent
attributes:
  queries: queries
  name: folder
  pool: null
  select: "tag:dex"
  resource:
    api_key_env: DUNE_API_KEY
    base_url: "{{ env.DUNE_API_BASE_URL }}"
    poll_interval: 0.1
  retry_policy: {max_retries: 2, delay: 1.5}
  backfill_policy: {type: multi_run, max_partitions_per_run: 7}
  translation:
    group_name: "{{ 'read' if obj.sql_name is undefined else 'mine' }}"
    metadata: {title: "{{ obj.name }}"}
"""
DOCUMENT_YAML = """
type: dagster_dune.DuneComponent
attributes:
  document: catalog.json
  name: document
  resource: {api_key_env: DUNE_API_KEY, base_url: "{{ env.DUNE_API_BASE_URL }}", poll_interval: 0.1}
"""
ACCOUNT_YAML = """
type: dagster_dune.DuneComponent
attributes:
  account: true
  select: result_daily
  name: account
  resource: {api_key_env: DUNE_API_KEY, base_url: "{{ env.DUNE_API_BASE_URL }}", poll_interval: 0.1}
"""
PYPROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{module}"\n'
DEFINITIONS = """
from pathlib import Path
import dagster as dg
defs = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


numbers = itertools.count()


@pytest.fixture
def dg_project(tmp_path, monkeypatch):
    """The package of a dg project of three components: an account, a document, and a folder that the document reads."""
    package = tmp_path / "project" / f"acme_{next(numbers)}"  # a module of its own for each test of this process
    for name, content in {
        "../pyproject.toml": PYPROJECT.format(module=package.name),
        "__init__.py": "",
        "definitions.py": DEFINITIONS,
        "defs/__init__.py": "",
        "defs/folder/defs.yaml": FOLDER_YAML,
        "defs/folder/queries/volume_4100007.sql": f"/* dune\nmatview: {VOLUME}\ntags: [dex]\n*/\n{SQL}",
        "defs/folder/queries/other_4100008.sql": "SELECT 1",
        "defs/document/defs.yaml": DOCUMENT_YAML,
        "defs/account/defs.yaml": ACCOUNT_YAML,
    }.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    reader = Query(query_id=9, slug="pinned", sql=f"SELECT n FROM {VOLUME} JOIN dex.trades ON true")
    write_document(DuneCatalog(queries=[reader]), package / "defs" / "document" / "catalog.json")
    monkeypatch.syspath_prepend(package.parent)
    return package


@pytest.fixture
def two_components(tmp_path, monkeypatch):
    """A function that loads a project of two folders, each with a component."""
    package = tmp_path / "pair" / f"pair_{next(numbers)}"
    monkeypatch.setenv("DUNE_API_KEY", "key")
    monkeypatch.syspath_prepend(package.parent)

    def load(first, second):
        files = {"../pyproject.toml": PYPROJECT.format(module=package.name), "__init__.py": "", "defs/__init__.py": ""}
        for folder, (yaml, *queries) in {"a_first": first, "b_second": second}.items():
            files[f"defs/{folder}/defs.yaml"] = f"type: dagster_dune.DuneComponent\nattributes: {yaml}\n"
            files |= {f"defs/{folder}/queries/q_{query_id}.sql": sql for query_id, sql in queries}
        for name, content in files.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(content)
        return dg.load_from_defs_folder(path_within_project=package)

    return load


MAKES = (4100007, f"/* dune\nmatview: {VOLUME}\n*/\nSELECT 1 AS n FROM dex.trades")
READS = (4100008, f"SELECT n FROM {VOLUME} JOIN dex.trades ON true")


LABELS = """
import dagster as dg
from dagster_dune import build_dune_upload

@build_dune_upload("dune.acme.labels")
def labels():
    return []

prices = {prices}
"""


@pytest.mark.parametrize("file", ["a_labels.py", "z_labels.py", "z_folder/labels.py"])
@pytest.mark.parametrize(
    "prices",
    [
        'dg.AssetSpec(["dune", "prices", "usd"])',
        '[dg.AssetSpec(["dune", "prices", "usd"])]',
        "None",
        'dg.AssetKey(["dune", "prices", "usd"])',
        '[dg.AssetKey("a"), dg.AssetCheckKey(dg.AssetKey("a"), "b")]',
    ],
    ids=["a spec", "a list", "an upload alone", "a key", "a list of keys"],
)
def test_what_a_python_file_of_the_project_makes_is_recognised(tmp_path, monkeypatch, file, prices):
    package = tmp_path / "mixed" / f"mixed_{next(numbers)}"
    monkeypatch.setenv("DUNE_API_KEY", "key")
    monkeypatch.syspath_prepend(package.parent)
    for name, content in {
        "../pyproject.toml": PYPROJECT.format(module=package.name),
        "__init__.py": "",
        "defs/__init__.py": "",
        "defs/dune/defs.yaml": "type: dagster_dune.DuneComponent\nattributes: {queries: queries}\n",
        "defs/dune/queries/q_4100008.sql": "SELECT 1 FROM dune.acme.labels, prices.usd, dex.trades",
        f"defs/{file}": LABELS.format(prices=prices),
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content)
    defs = dg.load_from_defs_folder(path_within_project=package)
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert set(specs) == {"dune/acme/labels", "dune/prices/usd", "dune/dex/trades", "dune/q_4100008"}
    assert specs["dune/dex/trades"].kinds
    assert bool(specs["dune/prices/usd"].kinds) == ("AssetSpec" not in prices)
    assert dg.AssetKey(["dune", "acme", "labels"]) in defs.resolve_asset_graph().materializable_asset_keys
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize("order", [1, -1])
def test_what_another_component_makes_is_recognised(two_components, order):
    defs = two_components(*[("{queries: queries, name: makes}", MAKES), ("{queries: queries}", READS)][::order])
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert set(specs) == {"dune/acme/result_volume", "dune/q_4100008", "dune/dex/trades"}
    assert "view" in specs["dune/acme/result_volume"].kinds
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("source", ["queries: queries", "queries: queries, document: {folder}/catalog.json"])
def test_a_matview_of_another_component_is_no_unknown_name(two_components, caplog, tmp_path, source, order):
    write_document(DuneCatalog(queries=[Query(query_id=8)]), tmp_path / "catalog.json")
    reader = f"/* dune\nmatview: dune.acme.result_reader\n*/\nSELECT n FROM {VOLUME}, dune.acme.result_nowhere"
    reads = ("{" + source.format(folder=tmp_path) + "}", (4100008, reader))
    two_components(*[("{queries: queries, name: makes}", MAKES), reads][::order])
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "someone else's: dune.acme.result_nowhere, read by dune.acme.result_reader in q_4100008.sql. " in warning


def test_a_name_to_exclude_that_nothing_reads_is_told_with_its_line_and_others_by_nobody(two_components, caplog):
    two_components(
        ("{queries: queries, name: makes}", MAKES, (4100009, f"/* dune\nmatview: {VOLUME}_2\n*/\nSELECT 1 AS n")),
        ("{queries: queries, upstream_exclude: [dex.*, dex.trade]}", READS),
    )
    (warning,) = [record.getMessage() for record in caplog.records]
    assert re.search(
        r"defs\.yaml, line 2, upstream_exclude: .* is named dex\.trade \(Did you mean dex\.trades\?", warning
    )


def refusal(load):
    """All that a load that fails says, with what it was caused by."""
    with pytest.raises(Exception, match="Error while building definitions") as caught:
        load()
    return "".join(traceback.format_exception(caught.value))


def test_two_components_of_one_name_are_an_error_that_says_so(two_components):
    told = refusal(lambda: two_components(("{queries: queries}", MAKES), ("{queries: queries}", READS)))
    assert re.search(r"defs\.yaml:\d+ - attributes", told)
    words = r"Two DuneComponents are named 'dune_assets', the other in (.+), line \d+\. Set name in the attributes"
    (other,) = set(re.findall(words, told))
    assert Path(other).name == "defs.yaml"


@pytest.mark.parametrize("place", ["a_first", "b_second"])
def test_two_components_with_two_resources_of_one_key_are_an_error_that_says_so(two_components, place):
    settings = {"a_first": "queries: queries", "b_second": "queries: queries, name: again"}
    settings[place] += ", resource: {performance: large}"
    told = refusal(
        lambda: two_components((f"{{{settings['a_first']}}}", MAKES), (f"{{{settings['b_second']}}}", READS))
    )
    assert re.search(r"defs\.yaml:\d+ - attributes", told)
    words = r"Two DuneComponents have different resources of the key 'dune', the other in (.+), line \d+\. (.+)"
    assert {(Path(file).name, "resource: null" in hint) for file, hint in re.findall(words, told)} == {
        ("defs.yaml", True)
    }


@pytest.mark.parametrize("other", ["resource: null", "resource: {performance: large}"])
def test_two_components_have_one_resource_where_they_say_the_same_or_one_says_null(two_components, other):
    defs = two_components(
        ("{queries: queries, resource: {performance: large}}", MAKES),
        (f"{{queries: queries, name: again, {other}}}", READS),
    )
    dg.Definitions.validate_loadable(defs)
    assert defs.resources["dune"].performance == "large"


def test_two_components_that_make_one_asset_are_an_error_that_names_the_setting(two_components):
    told = refusal(lambda: two_components(("{queries: queries}", MAKES), ("{queries: queries, name: again}", MAKES)))
    assert "dune/acme/result_volume of the component 'again' is one of the component 'dune_assets' too" in told
    assert "upstream_exclude" in told


def test_a_dg_project_loads_runs_and_reloads(account, dg_project, tmp_path):
    account.load_query(7, "Volume", SQL)
    account.load_materialized_view(VOLUME, 7)
    account.load_query(9, "Reader", f"SELECT n FROM {VOLUME}")
    module = f"{dg_project.name}.definitions"
    with served(tmp_path / "home", account, "-m", module, "-d", str(dg_project.parent)) as deployment:
        assert {key: node["groupName"] for key, node in shown_assets(deployment).items()} == {
            "dune/acme/result_volume": "mine",
            "dune/pinned_9": "default",
            "dune/acme/result_daily": "default",
            "dune/dex/trades": "dune_tables",
        }
        assert_runs(deployment, ("dune", "acme", "result_volume"), ("dune", "acme", "result_daily"))
        assert_runs(deployment, ("dune", "pinned_9"))
        assert reads(account) == once(1)

        defs = dg_project / "defs"
        (defs / "folder" / "queries" / "more_4100010.sql").write_text("/* dune\ntags: [dex]\n*/\nSELECT 2 AS n")
        write_document(
            DuneCatalog(queries=[Query(query_id=9, slug="pinned"), Query(query_id=11)]),
            defs / "document" / "catalog.json",
        )
        assert reload_location(deployment)["__typename"] == "RepositoryLocation"
        assert reads(account) == once(1) + once(1)
        assert set(shown_assets(deployment)) >= {
            "dune/acme/result_volume",
            "dune/more_4100010",
            "dune/pinned_9",
            "dune/query_11",
        }

        (defs / "document" / "catalog.json").write_text("{")
        error = reload_location(deployment)
        assert error["__typename"] == "PythonError"
        messages = [link["error"]["message"] for link in error["errorChain"]]
        assert any("catalog.json: This is no catalog document" in message for message in messages)


def in_yaml(attributes):
    return DuneComponent.resolve_from_yaml(attributes)


def test_yaml_says_what_python_says(monkeypatch):
    monkeypatch.setenv("DUNE_TIMEOUT", "7.5")
    component = in_yaml(
        "{account: true, resource: {api_key_env: OTHER_KEY, timeout: '{{ env.DUNE_TIMEOUT }}', details: false}, "
        "retry_policy: {max_retries: 2, delay: 1.5}, backfill_policy: {type: multi_run, max_partitions_per_run: 7}}"
    )
    assert component.resource == DuneResource(api_key=dg.EnvVar("OTHER_KEY"), timeout=7.5, details=False)
    assert component.retry_policy == dg.RetryPolicy(max_retries=2, delay=1.5)
    assert component.backfill_policy == dg.BackfillPolicy.multi_run(7)
    assert component == in_yaml(
        "{account: true, resource: {api_key_env: OTHER_KEY, timeout: 7.5, details: false}, "
        "retry_policy: {max_retries: 2, delay: 1.5}, backfill_policy: {type: multi_run, max_partitions_per_run: 7}}"
    )
    assert in_yaml("{account: true, resource: null}").resource is None


def test_ids_are_patterns_as_texts_and_as_numbers(tmp_path):
    for query_id in (4100031, 4100032, 4100033):
        (tmp_path / f"q_{query_id}.sql").write_text("SELECT 1")
    for select in ('["4100032", 4100032]', "4100032", "[4100031, 4100032, 4100033]"):
        exclude = "[]" if "4100031" not in select else "[4100031, '4100033']"
        component = in_yaml(f"{{queries: {tmp_path}, select: {select}, exclude: {exclude}}}")
        assert keys(dg.build_defs_for_component(component)) == {"dune/q_4100032"}
        assert keys(build(queries=tmp_path, select=component.select, exclude=component.exclude)) == {"dune/q_4100032"}


def test_the_key_is_not_written_in_yaml():
    with pytest.raises(Exception, match="api_key"):
        in_yaml("{account: true, resource: {api_key: secret}}")


@pytest.mark.parametrize(
    ("field", "keys"),
    [("schedules", "job_name, cron_schedule"), ("backfill_policy", "type, max"), ("op", "name"), ("checks", "asset")],
)
def test_a_text_in_place_of_keys(field, keys):
    """Dagster takes one everywhere, since it could be a template."""
    with pytest.raises(ResolutionException, match=f"A text cannot stand here. Write its keys below: {keys}"):
        in_yaml(f"{{account: true, {field}: daily}}")


def test_a_resource_that_is_a_text_is_not_shown():
    said = DuneComponent.get_model_cls()(account=True, resource="s3cret")
    with pytest.raises(DuneConfigurationError, match=r"is a text; it is not shown here\. Write its settings") as caught:
        refuse_literal_key(said, Path("defs/dune"))
    assert "s3cret" not in str(caught.value)


def test_components_share_a_resource():
    first, second = DuneComponent(account=True), in_yaml("{account: true, resource: {api_key_env: DUNE_API_KEY}}")
    assert first.resource is second.resource


def test_a_component_without_a_source():
    with pytest.raises(DuneConfigurationError, match="Set queries, document or account"):
        DuneComponent(upstream_tables=False)


# --- the account in a script or a test ---


def test_queries_go_by_their_ids_where_nothing_pins_a_name(account):
    assert keys(build(account=True)) == {"dune/acme/result_daily", "dune/query_2", "dune/dex/trades"}
    assert reads(account) == once(1, 2)


LOADED_AGAIN = """
import sys
import dagster as dg
from dagster_dune import DuneComponent

def make():
    defs = dg.build_defs_for_component(DuneComponent(account=True))
    return dg.Definitions.merge(defs, dg.Definitions(jobs=[dg.define_asset_job("all")])).resolve_job_def("all")

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    job = dg.build_reconstructable_job("loaded_again", "make", (), {}, sys.argv[1])
    with dg.DagsterInstance.local_temp() as instance:
        assert dg.execute_job(job, instance).success
    print(len(dg.build_defs_for_component(DuneComponent(account=True, name="other")).resolve_all_asset_specs()))
"""


@pytest.mark.processes
def test_a_script_that_runs_a_job_by_a_pointer_reads_the_account(account, tmp_path):
    script = tmp_path / "loaded_again.py"
    script.write_text(LOADED_AGAIN)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3"]
    assert "Nobody has told this process what is in the Dune account of DuneComponent[dune_assets]" in done.stderr
    assert "KeyError" not in done.stderr


def test_what_a_subclass_knows_of_the_account_is_used_in_a_script(account, tmp_path, caplog):
    class Kept(DuneComponent):
        def write_state_to_path(self, state_path):
            write_document(DuneCatalog(queries=[Query(query_id=7)]), state_path)

    assert keys(dg.build_defs_for_component(Kept(account=True))) == {"dune/query_7"}
    assert reads(account) == {}
    assert "Nobody has told this process what is in the Dune account of Kept[dune_assets]" in caplog.text


def test_some_of_the_account(account):
    assert keys(build(account=True, select="kind:materialized_view")) == {"dune/acme/result_daily", "dune/dex/trades"}
    assert keys(build(account=True, exclude=["result_daily"], upstream_tables=False)) == {
        "dune/query_2",
        "dune/acme/result_daily",  # what query_2 reads, as a bare name
    }


def test_a_folder_with_the_account(account, tmp_path):
    (tmp_path / "best.sql").write_text("/* dune\nid: 2\nperformance: large\n*/\nSELECT 1")
    (spec,) = [
        spec for spec in build(account=True, queries=tmp_path).resolve_all_asset_specs() if "best_2" in str(spec)
    ]
    assert spec.metadata["dagster-dune/performance"] == "large"
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {"dune/acme/result_daily"}


def test_a_folder_beside_an_account_may_hold_its_checks_alone(account, tmp_path, caplog):
    (tmp_path / "few_41009.sql").write_text(
        "/* dune\ncheck: {asset: dune.acme.result_daily, kind: gate}\n*/\nSELECT 1 FROM dune.acme.result_daily"
    )
    graph = build(account=True, queries=tmp_path).resolve_asset_graph()
    (check,) = graph.asset_check_keys
    assert (check.asset_key.path[-1], check.name) == ("result_daily", "few")
    assert not any("41009" in key.path[-1] for key in graph.materializable_asset_keys)
    assert caplog.messages == []


@pytest.fixture
def document(account, client, tmp_path):
    write_document(DuneCatalog.from_api(client), tmp_path / "catalog.json")
    return tmp_path / "catalog.json"


def test_a_document_spares_reads_and_pins_names(account, document, client):
    client.update_query(2, name="Another title", query_sql="SELECT 1")
    account.load_query(3, "New one", "SELECT 2")
    before = reads(account)
    defs = build(account=True, document=document)
    assert keys(defs) == {"dune/acme/result_daily", "dune/top_days_e_2", "dune/new_one_3", "dune/dex/trades"}
    assert reads(account) - before == once(2, 3)


UNREACHABLE = {
    "wrong key": (401, "Check DUNE_API_KEY"),
    "no credits": (402, "Raise the limit"),
    "wrong plan": (403, "the plan includes this endpoint"),
    "no Dune": (503, "status.dune.com"),
}


@pytest.mark.parametrize("reason", UNREACHABLE)
def test_an_account_that_cannot_be_read(account, document, caplog, reason):
    status, advice = UNREACHABLE[reason]
    account.inject("status", path="/api/v1/materialized-views", status=status, body={"error": "no"}, times=None)
    once_tried = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), max_retries=0)
    with pytest.raises(DuneCatalogError, match="The Dune account cannot be read") as caught:
        build(account=True, resource=once_tried)
    assert advice in str(caught.value)
    assert "dagster-dune catalog pull -o FILE" in str(caught.value)
    assert account.api_key not in str(caught.value)

    caplog.clear()
    defs = build(account=True, document=document, resource=once_tried)
    assert "dune/top_days_e_2" in keys(defs)
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "dagster_dune.components.state"]
    assert f"The Dune assets are those of {document}, which was written on " in warning
    assert advice in warning


def test_no_network(account):
    nowhere = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), base_url="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(DuneCatalogError, match="Check the network, the proxy and DUNE_API_BASE_URL"):
        build(account=True, resource=nowhere)


def test_a_variable_that_is_not_set(monkeypatch, document):
    monkeypatch.delenv("DUNE_API_KEY")
    with pytest.raises(DuneConfigurationError, match="The environment variable DUNE_API_KEY is not set"):
        build(account=True, document=document)


def test_time_is_up_before_dagsters_is(account, document):
    account.inject("delay", path="/api/v1/query/2", seconds=3600)
    with pytest.raises(DuneCatalogError, match=r"took longer than 5 seconds; of this one, 1 of 2 queries") as caught:
        build(account=True, time_limit=5)
    assert "dagster-dune catalog pull -o FILE" in str(caught.value)
    (waiting,) = [entry for entry in account.journal() if entry.get("fault") == "delay"]
    assert waiting["status"] is None  # Dune has not answered yet
    wait_until(reading_has_ended)  # though Dune has not answered, so that the process may end

    # The next component of the code location has nothing left of those seconds.
    with pytest.raises(DuneCatalogError, match=r"the list of its queries was not complete|0 of 2 queries"):
        build(account=True, time_limit=5, name="second")
    assert "dune/top_days_e_2" in keys(build(account=True, time_limit=5, document=document))
    assert keys(build(account=True, time_limit=None)) >= {"dune/query_2"}


def reading_has_ended():
    names = {thread.name for thread in threading.enumerate()}
    return not any(name.startswith(("dune-account", "dune-queries")) for name in names)


# --- state that Dagster keeps on disk ---


def test_state_in_a_file_survives_a_failing_refresh(account, client, dg_project, monkeypatch, caplog):
    project = dg_project.parent
    monkeypatch.chdir(project)
    resource = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), max_retries=0)
    kept = DefsStateConfigArgs.local_filesystem()

    def component():
        return DuneComponent(account=True, resource=resource, defs_state=kept)

    assert keys(dg.build_defs_for_component(component())) == set()
    assert "Run dg utils refresh-defs-state" in caplog.text
    asyncio.run(component().refresh_state(project))
    assert keys(dg.build_defs_for_component(component())) >= {"dune/query_2"}
    assert reads(account) == once(1, 2)

    client.update_query(2, query_sql="SELECT 1")
    asyncio.run(component().refresh_state(project))
    assert reads(account) - once(1, 2) == once(2)
    assert account.api_key not in "".join(path.read_text() for path in project.rglob("state"))

    caplog.clear()
    account.inject("reset", path="/api/v1/materialized-views", times=None)
    asyncio.run(component().refresh_state(project))
    assert "Check the network" in caplog.text
    assert keys(dg.build_defs_for_component(component())) >= {"dune/query_2"}

    (state,) = project.rglob("state")
    state.write_text("{}")
    with pytest.raises(DuneCatalogError, match="What Dagster keeps of the Dune account cannot be read"):
        dg.build_defs_for_component(component())
    account.clear_faults()
    asyncio.run(component().refresh_state(project))
    assert "All of the account is read again" in caplog.text
    assert keys(dg.build_defs_for_component(component())) >= {"dune/query_2"}


# --- folders and documents ---


def test_a_refresh_of_all_states_leaves_a_folder_alone(dune, dg_project, monkeypatch):
    monkeypatch.delenv("DUNE_API_KEY", raising=False)
    project = dg_project.parent
    monkeypatch.chdir(project)
    component = DuneComponent(
        queries=dg_project / "defs" / "folder" / "queries", defs_state=DefsStateConfigArgs.local_filesystem()
    )
    before = keys(dg.build_defs_for_component(component))
    asyncio.run(component.refresh_state(project))
    assert dune.journal() == []
    assert keys(dg.build_defs_for_component(component)) == before != set()


def test_a_component_of_ones_own_with_more_in_it(tmp_path):
    class Scheduled(DuneComponent):
        def build_defs(self, context):
            job = dg.define_asset_job("all_of_it", selection=dg.AssetSelection.all())
            return dg.Definitions.merge(super().build_defs(context), dg.Definitions(jobs=[job]))

    (tmp_path / "x_4100001.sql").write_text("SELECT 1")
    assert dg.build_defs_for_component(Scheduled(queries=tmp_path)).resolve_job_def("all_of_it")


@pytest.mark.parametrize("beside", [{}, {"document": "catalog.json"}, {"account": True}], ids=str)
def test_strict_makes_errors_of_what_would_be_left_out(account, tmp_path, monkeypatch, beside):
    monkeypatch.chdir(tmp_path)
    write_document(DuneCatalog(queries=[Query(query_id=2)]), tmp_path / "catalog.json")
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "x_4100001.sql").write_text("SELECT 1")
    assert build(queries="queries", **beside, strict=True)
    (tmp_path / "queries" / "y_4100002.sql").write_text("/* dune\nownr: [team:dex]\n*/\nSELECT 1")
    assert "dune/x_4100001" in keys(build(queries="queries", **beside))
    with pytest.raises(DuneCatalogError, match=r"y_4100002\.sql, line 2: the header has no key 'ownr'"):
        build(queries="queries", **beside, strict=True)


def test_strict_is_of_the_account_too(account):
    account.load_query(3, "Checks nothing", "SELECT 1 FROM query_4")
    account.load_query(4, "A circle", "SELECT 1 FROM query_3")
    assert "dune/query_3" not in keys(build(account=True, resource=DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"))))
    with pytest.raises(DuneCatalogError, match="read each other in a circle"):
        build(account=True, strict=True)


def test_an_old_document_is_told_once(document, caplog):
    os.utime(document, (0, time.time() - 7200))
    build(document=document, max_age=10_000)
    assert caplog.messages == []
    build(document=document, max_age=3600)
    (warning,) = caplog.messages
    assert f"The catalog file {document} is old" in warning
    assert f"dagster-dune catalog pull -o {document}" in warning


def test_a_document_that_is_missing_or_broken(tmp_path):
    with pytest.raises(DuneCatalogError, match="There is no catalog file"):
        build(document=tmp_path / "catalog.json")
    (tmp_path / "catalog.json").write_text("[]")
    with pytest.raises(DuneCatalogError, match=r"catalog\.json: This is no catalog document"):
        build(document=tmp_path / "catalog.json")


def test_some_of_a_folder():
    def made(**fields):
        graph = build(queries=ROOT / "dune_project" / "queries", **fields).resolve_asset_graph()
        return {key.to_user_string() for key in graph.materializable_asset_keys}

    everything, chosen = made(), made(select="kind:query", exclude="top_*")
    assert "dune/top_pairs_4100032" in everything - chosen
    assert "dune/acme/result_gas_daily" in everything - chosen
    assert "dune/chain_overview_4100033" in everything & chosen


# --- what is upstream, and how assets look ---

CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, deps=["dex.trades"])],
    queries=[Query(query_id=2, deps=[DAILY, "dune.other.result_x"])],
    external=["dune.other.result_x"],
)


def external(defs):
    graph = defs.resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).group_name for key in graph.external_asset_keys}


def test_what_assets_read_is_shown_unless_told_otherwise():
    groups = {"dune/dex/trades": "dune_tables", "dune/other/result_x": "dune_other_matviews"}
    resource = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"))
    assert external(build_dune_definitions(CATALOG, resource=resource)) == groups
    bare = build_dune_definitions(CATALOG, resource=resource, upstream_tables=False)
    assert set(external(bare).values()) == {"default"}


def test_what_is_made_elsewhere_in_the_code_location_is_not_external():
    @dg.asset(key=["dune", "other", "result_x"])
    def other(): ...

    mine = build_dune_definitions(
        CATALOG, resource=DuneResource(api_key=dg.EnvVar("DUNE_API_KEY")), upstream_exclude='dune."other".*'
    )
    defs = dg.Definitions.merge(mine, dg.Definitions(assets=[other]))
    assert external(defs) == {"dune/dex/trades": "dune_tables"}


def test_a_component_that_makes_what_a_document_reads(account, dg_project):
    defs = dg.load_from_defs_folder(path_within_project=dg_project)
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert "view" in specs["dune/acme/result_volume"].kinds
    assert "dune/pinned_9" in specs


def test_eager_assets_wait_for_tables_unless_told_otherwise():
    def requested(condition):
        class Automatic(DagsterDuneTranslator):
            def get_asset_spec(self, obj):
                return super().get_asset_spec(obj).replace_attributes(automation_condition=condition)

        resource = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"))
        defs = build_dune_definitions(CATALOG, resource=resource, translator=Automatic())
        with dg.DagsterInstance.ephemeral() as instance:
            seen = dg.evaluate_automation_conditions(defs, instance=instance)
            instance.report_runless_asset_event(dg.AssetMaterialization(["dune", "acme", "result_daily"]))
            seen = dg.evaluate_automation_conditions(defs, instance=instance, cursor=seen.cursor)
            return seen.total_requested

    assert requested(dg.AutomationCondition.eager()) == 0
    assert requested(dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())) == 1


def test_a_component_of_ones_own(tmp_path):
    class Own(DuneComponent):
        def get_asset_spec(self, obj):
            return super().get_asset_spec(obj).replace_attributes(group_name="own")

    (tmp_path / "x_4100001.sql").write_text("SELECT * FROM dex.trades")
    specs = dg.build_defs_for_component(Own(queries=tmp_path)).resolve_all_asset_specs()
    assert {spec.group_name for spec in specs} == {"own"}


def test_definitions_take_every_option_of_assets():
    taken = inspect.signature(build_dune_assets).parameters.keys() - {"catalog", "resource_key"}
    assert DuneAssetsOptions.__annotations__.keys() == taken
    assert taken - {"execute", "description"} <= DuneComponent.model_fields.keys()
