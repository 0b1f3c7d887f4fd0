"""Reads of the event log from a storage that gives a few events at once, as every storage may."""

import dagster as dg
import pytest

from dagster_dune._execution.data.materializations import Materializations
from dagster_dune._execution.event_log import records_of_run
from dagster_dune._execution.submissions.run_group import RunGroup

KEYS = [dg.AssetKey(name) for name in "abcde"]
MADE = dg.DagsterEventType.ASSET_MATERIALIZATION


@pytest.fixture
def paged(instance, monkeypatch):
    """An instance whose storage gives two events at once."""

    def read(run_id, cursor=None, of_type=None, limit=None, ascending=True):
        return type(instance).get_records_for_run(instance, run_id, cursor, of_type, limit or 2, ascending)

    monkeypatch.setattr(instance, "get_records_for_run", read)
    return instance


@pytest.fixture
def run(paged):
    @dg.multi_asset(specs=[dg.AssetSpec(key) for key in KEYS])
    def made():
        for key in KEYS:
            yield dg.MaterializeResult(key)

    return dg.materialize([made], instance=paged).dagster_run


def test_all_pages_of_a_run_are_read_in_order(paged, run):
    found = records_of_run(paged, run.run_id, MADE)
    assert [record.asset_key for record in found] == KEYS
    kinds = {record.event_log_entry.dagster_event_type for record in records_of_run(paged, run.run_id, MADE)}
    assert kinds == {MADE}


def test_the_materializations_of_a_run_are_found_on_any_page(paged, run):
    assert [len(Materializations(paged, key).in_run(run.run_id)) for key in KEYS] == [1] * len(KEYS)


def test_completed_assets_are_found_on_any_page(paged, run):
    assert RunGroup.of(paged, run.run_id)._completed_assets(run) == set(KEYS)
