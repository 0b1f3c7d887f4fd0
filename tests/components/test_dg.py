"""`DuneComponent` under dg: what is scaffolded, how the component explains itself, and how mistakes are told."""

import json
import re
import subprocess
import sys
import traceback
from pathlib import Path
from textwrap import indent

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox
from dagster.components.testing.test_cases import TestOpCustomization, TestTranslation
from waiting import PATIENCE

from dagster_dune import DuneComponent, DuneConfigurationError
from dagster_dune.components.scaffolder import ScaffoldParams

BIN = Path(sys.executable).parent
EXAMPLE = dg.AssetKey(["dune", "volume_by_chain_9000000001"])
TRADES = dg.AssetKey(["dune", "dex", "trades"])
TYPE = "dagster_dune.DuneComponent"


@pytest.fixture
def sandbox():
    with create_defs_folder_sandbox() as folder:
        yield folder


def loaded(sandbox, attributes, component=DuneComponent):
    """The definitions of the example with these attributes."""
    defs_path = sandbox.scaffold_component(DuneComponent)
    said = {"type": TYPE, "attributes": {"queries": "queries", **attributes}}
    (defs_path / "defs.yaml").write_text(json.dumps(said))
    with sandbox.load_component_and_build_defs(defs_path) as (made, defs):
        assert isinstance(made, component)
        return defs


def refused(sandbox, attributes):
    """The error that these attributes, in YAML, are refused with."""
    defs_path = sandbox.scaffold_component(DuneComponent)
    (defs_path / "defs.yaml").write_text(f"type: {TYPE}\nattributes:\n  {attributes}\n")
    with pytest.raises(Exception) as raised, sandbox.load_component_and_build_defs(defs_path):  # noqa: PT011
        pass
    return raised.value


def first_cause(error):
    while error.__cause__ is not None:
        error = error.__cause__
    return error


# --- Dagster's own tests of components ---


class TestTranslationOfAssets(TestTranslation):
    """Two of Dagster's cases are another thing here: what SQL reads stays a dep, and partitions are the catalog's."""

    @pytest.mark.parametrize("kind", [None, "for_query"])
    def test_translation(self, sandbox, attributes, assertion, key_modifier, kind):
        translation = {kind: attributes, "for_materialized_view": {"key": "no"}} if kind else attributes
        if "partitions_def" in attributes:
            with pytest.raises(Exception, match="Error while building definitions") as raised:
                loaded(sandbox, {"translation": translation})
            assert "has partitions in the spec of your translator" in str(raised.value.__cause__)
            return
        key = key_modifier(EXAMPLE) if key_modifier else EXAMPLE
        specs = {spec.key: spec for spec in loaded(sandbox, {"translation": translation}).resolve_all_asset_specs()}
        spec = specs[key]
        if "deps" in attributes:
            spec = spec.replace_attributes(deps=[dep for dep in spec.deps if dep.asset_key != TRADES])
        assert assertion(spec)
        assert kind is None or TRADES in specs


class TestOp(TestOpCustomization):
    def test_op(self, sandbox, attributes, assertion):
        (definition,) = loaded(sandbox, {"op": attributes}).resolve_asset_graph().assets_defs_for_keys([EXAMPLE])
        assert assertion(definition if "backfill_policy" in attributes else definition.op)


# --- what is scaffolded ---


@pytest.mark.parametrize("form", ["yaml", "python"])
@pytest.mark.parametrize(
    ("params", "files"),
    [
        ({}, {"queries/volume_by_chain_9000000001.sql"}),
        ({"queries": "sql/mine"}, {"sql/mine/volume_by_chain_9000000001.sql"}),
        ({"document": "catalog.json"}, {"catalog.json"}),
        ({"account": True}, set()),
        ({"queries": "q", "account": True}, {"q/volume_by_chain_9000000001.sql"}),
        ({"document": "catalog.json", "account": True}, {"catalog.json"}),
    ],
)
def test_what_is_scaffolded_loads(sandbox, dune, monkeypatch, params, files, form):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(7, "Mine", "SELECT 1 AS n")
    defs_path = sandbox.scaffold_component(DuneComponent, scaffold_params=params, scaffold_format=form)
    made = {file.relative_to(defs_path).as_posix() for file in defs_path.rglob("*") if file.is_file()}
    assert made == files | {"defs.yaml" if form == "yaml" else "component.py"}
    with sandbox.load_component_and_build_defs(defs_path) as (_, defs):
        keys = {spec.key for spec in defs.resolve_all_asset_specs()}
    assert (EXAMPLE in keys) == (bool(files) and params.keys() != {"document", "account"})
    mine = "mine_7" if "document" in params else "query_7"  # a document pins names
    assert (dg.AssetKey(["dune", mine]) in keys) == bool(params.get("account"))


def test_what_is_there_is_left_alone(sandbox):
    folder = sandbox.defs_folder_path / "dune" / "queries"
    folder.mkdir(parents=True)
    (folder / "own_4100001.sql").write_text("SELECT 1")
    sandbox.scaffold_component(DuneComponent, defs_path="dune")
    assert [file.name for file in folder.iterdir()] == ["own_4100001.sql"]


def test_a_second_component_is_added_to_a_file(sandbox):
    defs_path = sandbox.scaffold_component(DuneComponent, defs_path="dune")
    request = dg.ScaffoldRequest(
        type_name=TYPE,
        target_path=defs_path / "defs.yaml",
        scaffold_format="yaml",
        project_root=sandbox.project_root,
        params=ScaffoldParams(document="catalog.json"),
        append=True,
    )
    DuneComponent.__scaffolder_cls__().scaffold(request)
    assert (defs_path / "defs.yaml").read_text().count("type: dagster_dune.") == 2
    assert (defs_path / "catalog.json").exists()


@pytest.mark.parametrize("path", ["", "/tmp/x", "../x", "a/../../b"])
def test_paths_stay_in_the_folder(path):
    with pytest.raises(DuneConfigurationError, match="no path beside the component"):
        ScaffoldParams(queries=path)


# --- settings ---


def test_per_kind_translation_comes_after_what_holds_for_all(sandbox):
    translation = {
        "owners": ["team:data"],
        "group_name": "all",
        "for_query": {"group_name": "{{ spec.group_name }}_{{ obj.slug }}"},
        "for_table": "{{ {'group_name': 'raw'} }}",
    }
    graph = loaded(sandbox, {"translation": translation}).resolve_asset_graph()
    assert (graph.get(EXAMPLE).group_name, graph.get(EXAMPLE).owners) == ("all_volume_by_chain", ["team:data"])
    assert (graph.get(TRADES).group_name, graph.get(TRADES).owners) == ("raw", ["team:data"])


def test_the_op_is_described_and_wins_over_the_fields(sandbox):
    attributes = {
        "name": "field",
        "op_tags": {"a": "1", "b": "1"},
        "pool": "field",
        "op": {
            "name": "own",
            "tags": {"b": "2"},
            "description": "Mine",
            "pool": "own",
            "retry_policy": {"max_retries": 3, "delay": 2},
        },
    }
    (definition,) = loaded(sandbox, attributes).resolve_asset_graph().assets_defs_for_keys([EXAMPLE])
    op = definition.op
    assert (op.name, op.description, op.pool) == ("own", "Mine", "own")
    assert {name: op.tags[name] for name in "ab"} == {"a": "1", "b": "2"}
    assert op.retry_policy == dg.RetryPolicy(max_retries=3, delay=2)


def test_schedules_and_the_refresh_sensor_are_fields(sandbox):
    schedule = {
        "job_name": "daily",
        "cron_schedule": "{{ '0 6 * * *' }}",
        "select": [9000000001],
        "execution_timezone": "Europe/Berlin",
        "default_status": "RUNNING",
        "config": {"performance": "large"},
        "tags": {"team": "data"},
    }
    sensor = {"minimum_interval_seconds": 120, "default_status": "RUNNING"}
    defs = loaded(sandbox, {"schedules": [schedule], "refresh_sensor": sensor})
    made = defs.resolve_schedule_def("daily_schedule")
    assert (made.cron_schedule, made.execution_timezone) == ("0 6 * * *", "Europe/Berlin")
    assert made.default_status == dg.DefaultScheduleStatus.RUNNING
    job = defs.resolve_job_def("daily")
    assert job.asset_layer.executable_asset_keys == {EXAMPLE}
    assert job.run_config["ops"]["dune_assets"]["config"]["performance"] == "large"
    watching = defs.resolve_sensor_def("dune_refresh_sensor")
    assert (watching.minimum_interval_seconds, watching.default_status) == (120, dg.DefaultSensorStatus.RUNNING)
    assert loaded(sandbox, {"op": {"name": "b"}, "refresh_sensor": {}}).resolve_sensor_def("b_refresh_sensor")


def test_python_says_what_yaml_says(tmp_path):
    (tmp_path / "x_4100001.sql").write_text("SELECT 1")
    component = DuneComponent(
        queries=tmp_path,
        op={"description": "Mine"},
        schedules=[{"job_name": "daily", "cron_schedule": "0 6 * * *"}],
        refresh_sensor={"name": "watch"},
    )
    defs = dg.build_defs_for_component(component)
    assert defs.resolve_schedule_def("daily_schedule")
    assert defs.resolve_sensor_def("watch")


def test_execute_can_be_overridden(dune, monkeypatch, tmp_path):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(4100001, "x", "SELECT 1 AS n")
    (tmp_path / "x_4100001.sql").write_text("SELECT 1 AS n")

    class Telling(DuneComponent):
        def execute(self, context, dune, config):
            context.log.info("before")
            yield from super().execute(context, dune, config)
            context.log.info("after")

    defs = dg.build_defs_for_component(Telling(queries=tmp_path))
    instance = dg.DagsterInstance.ephemeral()
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    assert result.success
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [
        dg.AssetKey(["dune", "x_4100001"])
    ]
    assert [execution["query_id"] for execution in dune.executions()] == [4100001]
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert "before" in messages
    assert messages.index("before") < messages.index("after")


# --- words ---


def silent(schema, path=""):
    """The fields that say nothing, here and below; references lead to definitions, which are looked at too."""
    if isinstance(schema, list):
        for part in schema:
            yield from silent(part, path)
    if not isinstance(schema, dict):
        return
    fields = schema.get("properties", {})
    yield from (f"{path}.{name}" for name, field in fields.items() if not field.get("description"))
    for name, part in [*fields.items(), *schema.items()]:
        if name != "properties":
            yield from silent(part, f"{path}.{name}")


def test_every_field_is_described():
    schema = DuneComponent.get_model_cls().model_json_schema()
    assert [*silent(schema)] == []
    for name in ("resource", "op", "schedules", "refresh_sensor", "checks", "retry_policy", "translation"):
        whole = schema["properties"][name]["then"]
        assert whole.get("items", whole)["properties"], name


def dg_command(project, *arguments):
    done = subprocess.run(
        [BIN / "dg", *arguments], check=False, cwd=project, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path):
    """A dg project with nothing but our package."""
    package = tmp_path / "shop"
    (package / "defs").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "defs" / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "shop"\n'
    )
    return tmp_path


@pytest.mark.processes
@pytest.mark.skipif(not (BIN / "dg").exists(), reason="dg is not installed")
def test_dg_lists_and_explains_the_component(project):
    _, listed = dg_command(project, "list", "components")
    assert TYPE in listed
    status, told = dg_command(project, "utils", "inspect-component", TYPE)
    assert status == 0, told
    assert "Dune queries and materialized views as assets." in told
    assert not any(word in told for word in (">>>", "Traceback", "DuneConfigurationError"))
    status, told = dg_command(project, "scaffold", "defs", TYPE, "dune", "--document", "catalog.json")
    assert status == 0, told
    assert (project / "shop" / "defs" / "dune" / "catalog.json").exists()


@pytest.mark.skipif(not (BIN / "dg").exists(), reason="dg is not installed")
def test_dg_tells_wrong_yaml_with_its_line(project):
    folder = project / "shop" / "defs" / "dune"
    folder.mkdir()
    said = "resource:\n  timeout: 3\n  timout: 3\nschedules:\n  - job_name: x\n    cron: y\n"
    (folder / "defs.yaml").write_text(f"type: {TYPE}\nattributes:\n  queries: q\n{indent(said, '  ')}")
    status, told = dg_command(project, "check", "yaml")
    assert status != 0
    assert set(re.findall(r"dune/defs.yaml:(\d+)", told)) == {"6", "8", "9"}
    assert "is not valid under any of the given schemas" not in told


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ({"resource": {"timout": 3}}, ["resource"]),
        ({"resource": {"performance": 7}}, ["resource", "performance"]),
        ({"resource": {"details": [1]}}, ["resource", "details"]),
        ({"retry_policy": {"max_retries": [1]}}, ["retry_policy", "max_retries"]),
        ({"op": {"nam": "x"}}, ["op"]),
        ({"backfill_policy": {"type": "one_run"}}, ["backfill_policy", "type"]),
        ({"backfill_policy": {"type": "multi_run", "max": 3}}, ["backfill_policy"]),
        ({"op": {"backfill_policy": {"max_partitions_per_run": 3}}}, ["op", "backfill_policy"]),
        ({"op": {"retry_policy": {"delays": 1}}}, ["op", "retry_policy"]),
        ({"schedules": [{"job_name": 1, "cron_schedule": "x"}]}, ["schedules", 0, "job_name"]),
        ({"schedules": [{"cron_schedule": "x"}]}, ["schedules", 0]),
        ({"checks": [{"asset": "x", "name": "x", "kind": "rows", "last": [1]}]}, ["checks", 0, "last"]),
        ({"refresh_sensor": {"interval": 1}}, ["refresh_sensor"]),
        ({"translation": {"for_query": {"group": "x"}}}, ["translation", "for_query"]),
        ({"translation": {"group_name": 7}}, ["translation", "group_name"]),
        ({"querys": "x"}, []),
    ],
)
def test_the_schema_knows_where_a_mistake_is(attributes, place):
    jsonschema = pytest.importorskip("jsonschema")  # it comes with dg
    validator = jsonschema.Draft202012Validator(DuneComponent.get_model_cls().model_json_schema())
    assert [list(error.absolute_path) for error in validator.iter_errors(attributes)] == [place]
    right = {"resource": {"timeout": "{{ env.X }}"}, "op": {"retry_policy": {"delay": 1}}, "retry_policy": None}
    assert list(validator.iter_errors(right)) == []


def test_a_folder_that_is_not_there_is_told_with_its_line(sandbox):
    error = first_cause(refused(sandbox, "account: false\n  queries: queris"))
    assert "defs.yaml:4 - attributes.queries" in str(error)
    assert "There is no folder" in str(error)
    assert "Give the folder that holds the .sql files." in str(error)
    assert "Traceback" not in str(error)


@pytest.mark.parametrize(
    ("attributes", "line", "words"),
    [
        ("resource:\n    timeout: 3\n    base_url: ftp://x", 6, "'ftp://x' is not an http(s) address"),
        ("resource:\n    timeout: fast", 5, "Input should be a valid number"),
        ("resource:\n    timeout: '{{ -3 }}'", 5, "timeout must be a positive number of seconds, not -3.0"),
        ("resource:\n    timeout: '{{ env.NOT_THERE }}'", 5, "NOT_THERE"),
        ("document: catalog.json", 4, "There is no catalog file"),
        ("max_age: soon", 4, "'soon' is no positive number of seconds. Write its digits alone."),
        ("time_limit: two minutes", 4, "'two minutes' is no positive number of seconds."),
        ("time_limit: -3", 4, "-3.0 is no positive number of seconds."),
        ("backfill_policy:\n    type: single_run\n    max_partitions_per_run: 3", 6, "one run has all partitions"),
        ("backfill_policy:\n    type: multi_run\n    max_partitions_per_run: 0", 6, "0 is no number of partitions"),
        ("pipeline_form: graph", 4, "'graph' is none of nodes, lineage"),
        ("query_views: none", 4, "'none' is none of assets"),
        ("schedules:\n    - {job_name: x, cron_schedule: bad}", 5, "invalid cron schedule 'bad'"),
        (
            "schedules:\n    - job_name: x\n      cron_schedule: 0 6 * * *\n      select: tag:no",
            5,
            "'tag:no' matches nothing",
        ),
        (
            "schedules:\n    - job_name: x\n      cron_schedule: 0 6 * * *\n      config: {tier: x}",
            7,
            "A run has no setting 'tier'",
        ),
        (
            "schedules:\n    - {job_name: x, cron_schedule: 0 6 * * *}\n    - {job_name: x, cron_schedule: 0 7 * * *}",
            6,
            "Two schedules launch a job named 'x'. Give one of them another job_name.",
        ),
        (
            "schedules:\n  - &d {job_name: x, schedule_name: a, cron_schedule: '@daily'}\n  - {<<: *d, job_name: y}",
            6,
            "Two schedules are named 'a'. Give one of them another schedule_name.",
        ),
        (
            "schedules:\n    - {job_name: x, cron_schedule: 0 6 * * *, select: []}",
            5,
            "An empty list selects no asset. Select what these definitions make.",
        ),
        ("account: false\n  select: tag:no", 5, "'tag:no' matches nothing"),
        ("account: false\n  select: ''", 5, "'' matches nothing"),
        ("select:\n    - query_9000000001\n    - tag:no", 6, "'tag:no' matches nothing"),
        ("name: two words", 4, "two words"),
        ("pool: two words", 4, "two words"),
        ("op:\n    name: two words", 5, "two words"),
        ("op:\n    pool: two words", 5, "two words"),
        ("refresh_sensor:\n    max_requests_per_tick: 1000", 4, "the plan allows 40"),
        (
            "checks:\n    - asset: query_9000000001\n      name: a b\n      kind: row_count",
            6,
            "letters, digits and _ alone, not",
        ),
        ("checks:\n    - asset: query_9000000001\n      name: a\n      kind: rows", 5, "query_id"),
        (
            "strict: true\n  checks:\n    - asset: query_42\n      name: a\n      kind: gate\n      query_id: 7",
            6,
            "The check a is of query_42, which is not in the catalog.",
        ),
        (
            "checks:\n    - &c {asset: query_9000000001, name: a, kind: gate, query_id: 7}\n    - *c",
            5,
            "There are two checks a of query_9000000001.",
        ),
        ("translation:\n    for_query:\n      group_name: '{{ nothing }}'", 6, "'nothing' not found in scope"),
    ],
)
def test_what_is_wrong_at_load_is_told_with_its_line(sandbox, attributes, line, words):
    error = first_cause(refused(sandbox, f"queries: queries\n  {attributes}"))
    assert f"defs.yaml:{line} - attributes" in str(error)
    assert words in str(error)
    assert "Traceback" not in str(error) or "env." in attributes or "form" in attributes or "views" in attributes


def test_a_check_of_what_is_gone_is_a_warning_with_its_line(sandbox, caplog):
    gone = {"asset": "query_42", "name": "gone", "kind": "gate", "query_id": 7}
    few = {"asset": "query_9000000001", "name": "few", "kind": "seconds", "at_most": 9}
    defs = loaded(sandbox, {"checks": [gone, few]})
    (told,) = [record.getMessage() for record in caplog.records if "Left out" in record.getMessage()]
    assert "defs.yaml, line 1: The check gone is of query_42, which is not in the catalog" in told
    assert {key.name for asset in defs.assets or () for key in getattr(asset, "check_keys", ())} == {"few"}


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        ("select: '{{ env.NOT_THERE }}'", 4),
        ("select:\n    - query_9000000001\n    - 'tag:{{ env.NOT_THERE }}'", 6),
        ("exclude: '{{ env.NOT_THERE | default(\"tag:test\") }}'", 4),
        ("document: '{{env.NOT_THERE}}'", 4),
        ("name: '{{ env.NOT_THERE }}'", 4),
        ("resource:\n    max_nodes: '{{ env.NOT_THERE }}'", 5),
        ("schedules:\n    - job_name: x\n      cron_schedule: 0 6 * * *\n      select: '{{ env.NOT_THERE }}'", 7),
        ("translation:\n    for_query:\n      owners: ['team:{{- env.NOT_THERE -}}']", 6),
    ],
)
def test_a_variable_that_is_not_set_is_told_with_its_line(sandbox, attributes, line):
    error = first_cause(refused(sandbox, f"queries: queries\n  {attributes}"))
    assert f"defs.yaml:{line} - attributes" in str(error)
    assert "The environment variable NOT_THERE is not set." in str(error)
    assert "Set it where the code location is loaded, or write {{ env('NOT_THERE', 'another value') }}." in str(error)
    assert "Traceback" not in str(error)


def test_a_variable_may_be_set_or_have_another_value_in_its_place(sandbox, monkeypatch):
    monkeypatch.setenv("SELECTED", "tag:example")
    select = ["{{ env.SELECTED }}", "{{ env('NOT_THERE', 'query_*') }}", "{{ env.NOT_THERE or 'volume*' }}"]
    assert EXAMPLE in loaded(sandbox, {"select": select}).resolve_asset_graph().materializable_asset_keys


@pytest.mark.parametrize(
    ("exclude", "line"),
    [("exclude: tag:no", 4), ("exclude:\n    - tag:no", 5)],
)
def test_what_exclude_does_not_match_is_told_with_its_line(sandbox, caplog, exclude, line):
    defs_path = sandbox.scaffold_component(DuneComponent)
    (defs_path / "defs.yaml").write_text(f"type: {TYPE}\nattributes:\n  queries: queries\n  {exclude}\n")
    with sandbox.load_component_and_build_defs(defs_path):
        pass
    told = [text for text in caplog.messages if "exclude" in text]
    words = "The pattern 'tag:no' matches nothing in the catalog. There are tag:example."
    assert told == [f"{defs_path / 'defs.yaml'}, line {line}, exclude: {words}"]


def test_patterns_over_an_account_are_told_with_their_lines(sandbox, dune, monkeypatch, caplog):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(1, "Daily", "SELECT 1 AS n")
    error = first_cause(refused(sandbox, "account: true\n  exclude: tag:none\n  select:\n    - query_1\n    - nothing"))
    assert "defs.yaml:7 - attributes.select" in str(error)
    assert "The pattern 'nothing' matches nothing" in str(error)
    (told,) = {text for text in caplog.messages if "exclude" in text}
    assert "defs.yaml, line 4, exclude: The pattern 'tag:none' matches nothing in the catalog." in told


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("{api_key: zq7-a-very-secret-key}", "has an API key in resource.api_key"),
        ("{api_key: [zq7-a-very-secret-key]}", "has an API key in resource.api_key"),
        ("{api_key_env: zq7-a-very-secret-key}", "looks like a key itself"),
        ("{api_key_env: zq7AVerySecretKeyOf32Characters1}", "looks like a key itself"),
        ("{api_key_env: '{{ env.KEY_OF_A_TEST }}'}", "looks like a key itself"),
    ],
)
def test_a_key_in_yaml_is_refused_and_shown_nowhere(sandbox, monkeypatch, resource, words):
    monkeypatch.setenv("KEY_OF_A_TEST", "zq7-a-very-secret-key")
    told = "".join(traceback.format_exception(refused(sandbox, f"queries: queries\n  resource: {resource}")))
    assert words in told
    assert "zq7" not in told


def test_the_schema_has_no_place_for_a_key():
    assert '"api_key"' not in json.dumps(DuneComponent.get_model_cls().model_json_schema())


@pytest.mark.parametrize("field", ["max_age", "time_limit"])
def test_seconds_are_positive_in_python_too(field):
    with pytest.raises(DuneConfigurationError, match=r"^0 is no positive number of seconds\."):
        DuneComponent(queries="dune_project/queries", **{field: 0})
