"""Patterns of a component match the keys that its assets have, except where only an account's lists are known."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCatalogError, DuneComponent
from dagster_dune.components.state import read_state

YAML = """
queries: {queries}
upstream_tables: false
select: [reports/*, acme/daily]
exclude: reports/b
translation:
  for_query:
    key: "reports/{{{{ obj.slug }}}}"
  for_materialized_view:
    key: acme/daily
schedules:
  - {{job_name: daily, cron_schedule: 0 6 * * *, select: reports/c}}
refresh_sensor: {{select: reports/a*}}
"""
MATVIEW = "/* dune\nmatview: dune.acme.result_daily\n*/\nSELECT 1"


class Prefixed(DuneComponent):
    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=spec.key.with_prefix("mine"))


@pytest.fixture
def queries(tmp_path):
    for name, sql in {
        "a_41031": "SELECT 1",
        "b_41032": "SELECT 2",
        "c_41033": "SELECT 3",
        "daily_41034": MATVIEW,
    }.items():
        (tmp_path / f"{name}.sql").write_text(sql)
    return tmp_path


@pytest.fixture
def account(dune, monkeypatch):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(1, "Trades per day", "SELECT 1 AS n")
    dune.load_query(2, "Top pools", "SELECT 2 AS n")
    return dune


def keys(defs):
    return {key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys}


def build(component):
    return dg.build_defs_for_component(component)


def test_keys_of_a_translation_in_yaml(queries, caplog):
    defs = build(DuneComponent.resolve_from_yaml(YAML.format(queries=queries)))
    assert keys(defs) == {"reports/a", "reports/c", "acme/daily"}
    assert {key.to_user_string() for key in defs.resolve_job_def("daily").asset_layer.executable_asset_keys} == {
        "reports/c"
    }
    (sensor,) = defs.sensors
    assert "Watches 1 asset" in sensor.description
    assert caplog.messages == []


def test_keys_of_a_subclass_and_of_a_translator_in_python(queries):
    assert keys(build(Prefixed(queries=queries, select="mine/dune/acme/*"))) == {"mine/dune/acme/result_daily"}
    assert keys(build(Prefixed(queries=queries, exclude=["mine/dune/?_41*"]))) == {"mine/dune/acme/result_daily"}
    with pytest.raises(DuneCatalogError, match="other asset keys: dune/a_41031 is mine/dune/a_41031"):
        build(Prefixed(queries=queries, select="dune/a_41031"))


def test_what_an_account_reads_is_selected_by_default_keys_and_the_message_says_so(account):
    assert keys(build(Prefixed(account=True, select="dune/query_2"))) == {"mine/dune/query_2"}
    assert keys(build(Prefixed(account=True, select="dune/top_pools_2"))) == {"mine/dune/query_2"}
    with pytest.raises(DuneCatalogError, match="'mine/dune/query_2' matches nothing") as caught:
        build(Prefixed(account=True, select="mine/dune/query_2"))
    assert "Asset keys that a translator gives are not known here: in place of one, write" in caught.value.hint


@pytest.mark.parametrize("pattern", ["mine/dune/query_2", "mine/nothing/alike", "nothing_alike"])
def test_reading_an_account_in_python_says_that_it_knows_no_translator(account, client, pattern):
    with pytest.raises(DuneCatalogError, match="matches nothing") as caught:
        DuneCatalog.from_api(client, select=pattern)
    assert caught.value.hint.endswith("write the name in SQL or the query's id.")


@pytest.mark.parametrize("pattern", ["top_pools", "top_*", "dune/top_pools_2", "dune/query_2", "dune/*_2"])
def test_a_pattern_matches_in_every_read_of_an_account_as_in_the_first(account, tmp_path, pattern):
    component = DuneComponent(account=True, select=pattern)
    for _ in range(2):
        component.write_state_to_path(tmp_path / "state")
        assert [query.query_id for query in read_state(tmp_path / "state").queries] == [2]
