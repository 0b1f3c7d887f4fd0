"""The API key, however it is given, stands nowhere that anybody could read it."""

import copy
import logging
import pickle
import sqlite3
import zlib
from contextlib import closing

import dagster as dg
import pytest
from deployment import ROOT, Deployment
from plain_http import plain
from pydantic import SecretStr, ValidationError
from secret_location import WAYS, load
from stored_files import stored_files

from dagster_dune import DuneCatalog, DuneConfigurationError, DuneResource, Query, build_dune_assets
from dagster_dune.emulator.server import DuneEmulator

KEY = "s3cr3t-k3y-that-nobody-may-read"
CATALOG = DuneCatalog(queries=[Query(query_id=1)])
LOCATION = ROOT / "tests" / "support" / "locations" / "secret_location.py"

TYPES = """
{ __schema { types { kind name possibleTypes { name } fields {
  name args { name type { kind } } type { ...named }
} } } }
fragment named on __Type { name ofType { name ofType { name ofType { name ofType { name } } } } }
"""


class EverythingAsked:
    """Questions that ask GraphQL for every field down to some depth below a root field, each type once a path."""

    def __init__(self, url):
        self._url = f"{url}/graphql"
        self._types = {type_["name"]: type_ for type_ in self._asked(TYPES)["data"]["__schema"]["types"]}
        self._broken = set()

    def answer(self, root, type_name, depth):
        """All that is below a root field, as text. Fields that Dagster itself fails to resolve are left out."""
        while True:
            answer = self._asked(f"{{ {root} {self.below(type_name, depth=depth)} }}")
            broken = {error["path"][-1] for error in answer.get("errors", ())}
            if not broken:
                return str(answer)
            assert not broken & self._broken, answer["errors"]
            self._broken |= broken

    def _asked(self, query):
        return plain.post(self._url, json={"query": query}).json()

    def below(self, type_name, *, depth, path=()):
        type_ = self._types[type_name]
        if type_["kind"] in ("UNION", "INTERFACE"):
            parts = [
                f"... on {possible['name']} {fields}"
                for possible in type_["possibleTypes"] or ()
                if (fields := self.below(possible["name"], depth=depth, path=path))
            ]
            return "{ __typename " + " ".join(parts) + " }"
        if type_["kind"] != "OBJECT" or depth == 0 or type_name in path:
            return ""
        asked = []
        for field in type_["fields"]:
            named = field["type"]
            while named["name"] is None:
                named = named["ofType"]
            if any(arg["type"]["kind"] == "NON_NULL" for arg in field["args"]):
                continue
            is_leaf = self._types[named["name"]]["kind"] in ("SCALAR", "ENUM")
            below = "" if is_leaf else self.below(named["name"], depth=depth - 1, path=(*path, type_name))
            if (is_leaf or below) and f"{type_name}_{field['name']}" not in self._broken:
                # Types of a union may have fields of one name and different types.
                asked.append(f"{type_name}_{field['name']}: {field['name']} {below}")
        return "{ " + " ".join(asked) + " }" if asked else ""


@pytest.mark.processes
def test_the_key_is_in_nothing_that_dagster_tells_or_stores(tmp_path):
    with DuneEmulator(api_key=KEY) as dune:
        load(dune)
        with Deployment(tmp_path / "home", dune, ["-f", str(LOCATION)], LOCATION.name) as deployment:
            deployment.start("dagster-daemon", "run")
            deployment.start_webserver()
            keys = [("dune", f"query_{10 * number + one}") for number in range(len(WAYS)) for one in (1, 2)]
            run_id = deployment.launch(*keys)
            assert deployment.finish(run_id).status is dg.DagsterRunStatus.FAILURE
            assert len(deployment.materialized(run_id)) == len(WAYS)
            told = everything_told(deployment, run_id)
    assert all(word in told for word in ("rootDefaultYaml", "defaultValueAsJson", "query_31", "StepFailure", run_id))
    assert KEY not in told
    stored = list(stored_texts(tmp_path / "home"))
    assert any("query_31" in text for _, text in stored)
    assert not [file for file, text in stored if KEY in text]


def everything_told(deployment, run_id):
    """All that GraphQL says of the code location and of a run, as one text."""
    ask = EverythingAsked(deployment.url)
    location = f'repositoryLocationName: "{deployment.location_name}"'
    repository = f'{location}, repositoryName: "__repository__"'
    roots = {
        f"repositoryOrError(repositorySelector: {{{repository}}})": ("RepositoryOrError", 4),
        f"allTopLevelResourceDetailsOrError(repositorySelector: {{{repository}}})": ("ResourceDetailsListOrError", 5),
        f'pipelineOrError(params: {{{repository}, pipelineName: "__ASSET_JOB"}})': ("PipelineOrError", 3),
        f'runConfigSchemaOrError(selector: {{{repository}, pipelineName: "__ASSET_JOB"}})': (
            "RunConfigSchemaOrError",
            3,
        ),
        f'runOrError(runId: "{run_id}")': ("RunOrError", 4),
        f'logsForRun(runId: "{run_id}")': ("EventConnectionOrError", 4),
    }
    return "\n".join(ask.answer(root, *below) for root, below in roots.items())


def stored_texts(home):
    """Every file of DAGSTER_HOME, and every cell of its databases, unpacked where it is packed."""
    for file, content in stored_files(home):
        yield file, content.decode("utf-8", "replace")
        if file.suffix == ".db":
            for cell in cells(file):
                yield file, cell


def cells(database):
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from (unpacked(cell) for cell in row if isinstance(cell, bytes))


def unpacked(cell):
    try:
        return zlib.decompress(cell).decode("utf-8", "replace")
    except zlib.error:
        return cell.decode("utf-8", "replace")


@pytest.mark.parametrize("key", [KEY, SecretStr(KEY)])
def test_a_resource_shows_its_key_where_it_is_asked_for_alone(key):
    resource = DuneResource(api_key=key)
    assert resource.api_key == copy.copy(resource).api_key == KEY
    assert KEY not in f"{resource!r} {resource} {vars(resource)} {[resource.api_key]} {resource.model_dump_json()}"
    with pytest.raises(DuneConfigurationError, match="cannot be pickled"):
        pickle.dumps(resource)
    with pytest.raises(DuneConfigurationError, match="cannot be pickled"):
        pickle.dumps({"key": resource.api_key})


@pytest.mark.parametrize("key", [KEY.encode(), [KEY], {"key": KEY}, SecretStr(f" {KEY}"), f"{KEY}\n", None])
def test_what_can_be_no_key_is_refused_without_being_shown(key):
    with pytest.raises(DuneConfigurationError) as error:
        DuneResource(api_key=key)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("name", [KEY, "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"])
def test_a_key_where_the_name_of_its_variable_belongs_is_not_shown(name, dune, instance):
    with pytest.raises(DuneConfigurationError, match="looks like a key itself") as error:
        DuneResource(api_key=dg.EnvVar(name))
    result = run(
        DuneResource(api_key=dune.api_key, base_url=dune.url), instance, raise_on_error=False, api_key={"env": name}
    )
    assert "looks like a key itself" in failure(result)
    assert name not in f"{error.value} {failure(result)}"
    assert dune.journal() == []


@pytest.mark.parametrize("settings", [{"timeout": KEY}, {"base_url": [KEY]}, {"details": KEY}])
def test_a_key_that_is_given_as_another_setting_is_not_shown(settings):
    with pytest.raises(ValidationError) as error:
        DuneResource(api_key=KEY, **settings)
    assert KEY not in str(error.value)


def test_a_run_can_name_the_variable_of_its_key_and_change_settings(dune, instance, monkeypatch):
    dune.load_query(1, "one", "SELECT 1 AS one")
    monkeypatch.setenv("OTHER_KEY", dune.api_key)
    result = run(DuneResource(api_key="wrong", base_url=dune.url), instance, api_key={"env": "OTHER_KEY"}, max_nodes=1)
    assert result.success


@pytest.mark.parametrize("key", [KEY, "********"])
def test_a_key_in_a_runs_configuration_is_refused_with_the_new_spelling(dune, instance, key):
    with pytest.raises(
        dg.DagsterInvalidConfigError, match=r"api_key must be dict. Expected: \"{ env: String }\""
    ) as error:
        run(DuneResource(api_key=dune.api_key, base_url=dune.url), instance, api_key=key)
    assert KEY not in str(error.value)
    assert instance.get_runs() == []


@pytest.mark.parametrize(
    ("of_run", "words"),
    [
        ({"api_key": {"env": "NOT_SET"}}, "environment variable NOT_SET, which holds the api_key"),
        ({"base_url": "https://elsewhere.example"}, "where a key is sent is nothing that one run decides"),
        ({"timeout": -1.0}, "positive number of seconds"),
    ],
)
def test_what_a_run_cannot_set_is_refused_before_any_request(dune, instance, of_run, words):
    result = run(DuneResource(api_key=dune.api_key, base_url=dune.url), instance, raise_on_error=False, **of_run)
    assert not result.success
    assert words in str([event.event_specific_data for event in result.all_events])
    assert dune.journal() == []


def test_numbers_of_the_environment_are_read_where_the_run_executes(dune, instance, monkeypatch):
    dune.load_query(1, "one", "SELECT 1 AS one")
    limits = dict.fromkeys(("max_nodes", "reads_per_minute", "max_retries"), dg.EnvVar.int("SOME_LIMIT"))
    resource = DuneResource(api_key=dune.api_key, base_url=dg.EnvVar("SOME_URL"), **limits)
    monkeypatch.setenv("SOME_URL", dune.url)
    monkeypatch.setenv("SOME_LIMIT", "many")
    assert "of the DuneResource is no number" in failure(run(resource, instance, raise_on_error=False))
    monkeypatch.setenv("SOME_LIMIT", "0")
    assert "must be at least 1, but is 0" in failure(run(resource, instance, raise_on_error=False))
    monkeypatch.setenv("SOME_LIMIT", "1")
    assert run(resource, instance).success


def test_a_resource_configured_at_launch_takes_the_key_of_the_environment(dune, instance, monkeypatch):
    dune.load_query(1, "one", "SELECT 1 AS one")
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    assert run(DuneResource.configure_at_launch(max_retries=0), instance, base_url=dune.url).success


def test_no_variable_is_read_whose_setting_the_run_overrides(dune, instance, monkeypatch):
    dune.load_query(1, "one", "SELECT 1 AS one")
    monkeypatch.delenv("DUNE_API_KEY", raising=False)
    monkeypatch.setenv("KEY_OF_OTHER_TEAM", dune.api_key)
    monkeypatch.setenv("LIMIT", "many")
    own = {"base_url": dune.url, "max_nodes": dg.EnvVar.int("LIMIT"), "performance": dg.EnvVar("NOT_SET")}
    resource = DuneResource.configure_at_launch(**own)
    of_run = {"api_key": {"env": "KEY_OF_OTHER_TEAM"}, "max_nodes": 1, "performance": None}
    assert run(resource, instance, **of_run).success
    for left_out, words in [
        ("api_key", "environment variable DUNE_API_KEY, which holds the api_key"),
        ("max_nodes", "max_nodes of the DuneResource is no number"),
        ("performance", "environment variable NOT_SET, which holds the performance"),
    ]:
        said = {name: setting for name, setting in of_run.items() if name != left_out}
        assert words in failure(run(resource, instance, raise_on_error=False, **said))


def test_the_resources_own_address_is_read_since_no_run_overrides_it(dune, instance, monkeypatch):
    monkeypatch.delenv("SOME_URL", raising=False)
    resource = DuneResource(api_key=dune.api_key, base_url=dg.EnvVar("SOME_URL"))
    told = failure(run(resource, instance, raise_on_error=False, base_url=dune.url))
    assert "environment variable SOME_URL, which holds the base_url" in told
    assert dune.journal() == []


def test_a_resource_keeps_its_life_cycle_and_can_be_part_of_others(dune):
    seen = []

    class WithHooks(DuneResource):
        def setup_for_execution(self, context):
            seen.append((self.max_retries, self.api_key, context.resource_config["max_retries"]))

        def teardown_after_execution(self, context):
            seen.append("torn down")

    class Outer(dg.ConfigurableResource):
        dune: WithHooks
        max_retries: int = 7

    @dg.asset
    def reader(outer: Outer) -> None:
        seen.append((outer.max_retries, outer.dune.max_retries))

    assert dg.materialize([reader], resources={"outer": Outer(dune=WithHooks(api_key=KEY, max_retries=2))}).success
    assert seen == [(2, KEY, 2), (7, 2), "torn down"]


def test_the_loggers_of_the_http_libraries_do_not_tell_it(dune, instance, caplog):
    dune.load_query(1, "one", "SELECT 1 AS one")
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    assert run(DuneResource(api_key=dune.api_key, base_url=dune.url), instance).success
    assert "POST" in caplog.text
    assert dune.api_key not in caplog.text


def run(resource, instance, *, raise_on_error=True, **of_run):
    return dg.materialize(
        [build_dune_assets(CATALOG)],
        resources={"dune": resource},
        instance=instance,
        raise_on_error=raise_on_error,
        run_config={"resources": {"dune": {"config": of_run}}},
    )


def failure(result):
    return str([event.event_specific_data for event in result.all_events])
