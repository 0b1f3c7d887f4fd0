"""What Dune may leave out of its answers, and what it may add to its words."""

import pytest
from pydantic import ValidationError

from dagster_dune.api.models import MaterializedViewInfo, MaterializedViewRefresh, QueryExecution


def test_a_matview_is_identified_by_its_sql_id_alone():
    info = MaterializedViewInfo.model_validate({"sql_id": "dune.acme.result_x", "schedule": None})
    assert (info.sql_id, info.id) == ("dune.acme.result_x", None)


@pytest.mark.parametrize("tier", ["free", "small", "medium", "large", "x-large", "2xl"])
def test_tiers_are_passed_on_whether_they_are_known_or_not(tier):
    refresh = MaterializedViewRefresh(name="dune.acme.result_x", performance=tier)
    execution = QueryExecution(query_id=1, performance=tier)
    assert refresh.performance == execution.performance == tier


@pytest.mark.parametrize("tier", ["", "very large", "large\n", " large"])
def test_what_can_be_no_tier_is_refused(tier):
    with pytest.raises(ValidationError, match="performance"):
        QueryExecution(query_id=1, performance=tier)
