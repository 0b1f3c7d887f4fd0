"""What a pipeline ends with is said of none of its nodes that Dune said nothing of: it may be another one's error."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, DuneResource, Query, build_dune_assets
from dagster_dune.emulator.server import DuneEmulator

SAYS_NO = "SELECT CAST('gate closed: 3 bad rows' AS bigint) AS n"
ASSETS = (41000, 42000, 43000)
GATES = [
    DuneCheck(asset=f"query_{number}", name=f"gate_{number}", kind="gate", query_id=number + 10) for number in ASSETS
]


@pytest.fixture
def silent():
    """A local Dune whose pipelines end with the error of a node, and never say a word of the nodes themselves."""
    with DuneEmulator(assume={"null-nodes": "never"}) as dune:
        yield dune


def failure_of(dune, assets, selection=None):
    result = dg.materialize(
        [assets],
        selection=selection,
        resources={"dune": DuneResource(api_key=dune.api_key, base_url=dune.url)},
        raise_on_error=False,
    )
    assert result.get_asset_check_evaluations() == []
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data


def test_the_no_of_a_gate_is_not_told_of_others(silent):
    for number in ASSETS:
        silent.load_query(number + 10, "gate", SAYS_NO if number == ASSETS[1] else "SELECT 1 AS n")
    catalog = DuneCatalog(queries=[Query(query_id=number) for base in ASSETS for number in (base, base + 10)])
    assets = build_dune_assets(catalog, checks=GATES)
    failure = failure_of(silent, assets, dg.AssetSelection.checks(*assets.check_keys))
    assert sorted(failure.metadata) == sorted(gate.label for gate in GATES)
    assert all(told.value.startswith("No result. Dune ended the pipeline") for told in failure.metadata.values())


def test_the_line_of_an_error_is_told_of_no_other_file(silent, tmp_path):
    for number in ASSETS:
        column = "wrong" if number == ASSETS[1] else "1"
        (tmp_path / f"query_{number}.sql").write_text(f"/* dune\nname: q\n*/\nSELECT\n  1 AS one,\n  {column} AS two")
    catalog = DuneCatalog.from_directory(tmp_path)
    for query in catalog:
        silent.load_query(query.query_id, "query", query.sql)
    failure = failure_of(silent, build_dune_assets(catalog))
    assert "line 3:3" in failure.description
    assert "In the file" not in failure.description
