"""What Dune may leave out of its answers, and what it may add to its words."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from dagster_dune.api import models
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


# --- the least answer that makes sense, nulls, and fields of the future ---

LEAST = {
    models.BillingPeriod: {},
    models.Cancelled: {},
    models.ColumnInfo: {"name": "n"},
    models.CsvUploaded: {"table_name": "t"},
    models.Dataset: {"full_name": "dex.trades"},
    models.DatasetList: {},
    models.DatasetsFound: {},
    models.ExecutionError: {},
    models.ExecutionErrorPlace: {},
    models.ExecutionResults: {},
    models.ExecutionStatus: {},
    models.ExecutionSubmitted: {"execution_id": "x"},
    models.FoundDataset: {"full_name": "dex.trades"},
    models.FoundMetadata: {},
    models.KeyOwner: {},
    models.MaterializedViewInfo: {"sql_id": "dune.acme.result_x"},
    models.MaterializedViewList: {},
    models.MaterializedViewRefreshStatus: {},
    models.MaterializedViewSchedule: {},
    models.MaterializedViewWritten: {"name": "dune.acme.result_x"},
    models.Message: {},
    models.NodeExecution: {},
    models.Owner: {},
    models.Pagination: {},
    models.Parameter: {"key": "day"},
    models.PipelineStatus: {},
    models.PipelineSubmitted: {"pipeline_execution_id": "x"},
    models.QueryExecutionStatus: {},
    models.QueryList: {},
    models.QueryOverview: {"id": 1},
    models.QueryPipeline: {"pipeline": {}},
    models.QueryWritten: {"query_id": 1},
    models.ResultData: {},
    models.ResultMetadata: {},
    models.RowsInserted: {"rows_written": 1},
    models.SavedQuery: {"query_id": 1},
    models.UploadCreated: {"full_name": "dune.acme.t"},
    models.UploadInfo: {"full_name": "dune.acme.t"},
    models.UploadList: {},
    models.Usage: {},
}
SENT_OR_INNER = {
    models.DuneModel, models.Execution, models.MaterializedViewRefresh, models.Pipeline, models.PipelineNode,
    models.QueryExecution, models.TableColumn,
}  # fmt: skip
DEPENDED_ON = {  # what an odd value of makes an answer unreadable, beside what the least answer holds
    models.DatasetList: {"datasets"},
    models.DatasetsFound: {"results", "pagination"},
    models.ExecutionResults: {"result", "next_offset"},
    models.MaterializedViewList: {"materialized_views", "next_offset"},
    models.Pagination: {"next_offset"},
    models.PipelineStatus: {"node_executions"},
    models.QueryList: {"queries"},
    models.ResultData: {"rows"},
    models.SavedQuery: {"parameters"},
    models.UploadList: {"tables", "next_offset"},
    models.Usage: {"billing_periods"},
}
ODD = [7, -1.5, True, "odd", "", [], [None], {}, {"a": {"b": []}}, 10**30, "9999-12-31T23:59:59-14:00", float("nan")]


def optional_fields(model):
    return {info.alias or name for name, info in model.model_fields.items() if not info.is_required()} - {"listed"}


def test_every_model_of_an_answer_is_tried():
    values = [getattr(models, name) for name in models.__all__]
    every = {value for value in values if isinstance(value, type) and issubclass(value, models.DuneModel)}
    assert every == LEAST.keys() | SENT_OR_INNER


@pytest.mark.parametrize(("model", "least"), LEAST.items())
class TestTolerance:
    def test_the_least_answer_is_enough(self, model, least):
        assert model.model_validate(least)

    def test_null_is_as_good_as_nothing(self, model, least):
        nulls = dict.fromkeys(optional_fields(model)) | least
        assert model.model_validate(nulls).model_dump() == model.model_validate(least).model_dump()

    def test_fields_of_the_future_are_borne(self, model, least):
        future = {"new_field": {"deep": [1]}, "another": None, "Odd Name": "x"}
        assert model.model_validate(least | future) == model.model_validate(least)

    def test_a_field_on_which_nothing_depends_may_be_anything(self, model, least):
        for field in optional_fields(model) - DEPENDED_ON.get(model, set()):
            for value in ODD:
                assert model.model_validate({field: value} | least)


def test_absent_null_and_given_schedules_are_three_things():
    read = models.MaterializedViewInfo.model_validate
    least = {"sql_id": "dune.acme.result_x"}
    schedule = {"cron_expression": "0 */6 * * *", "next_execution_time": "2026-11-26T00:00:00Z", "new": 1}
    absent, null, given = read(least), read(least | {"schedule": None}), read(least | {"schedule": schedule})
    assert [info.is_scheduled for info in (absent, null, given)] == [None, False, True]
    assert given.schedule.cron_expression == "0 */6 * * *"
    assert given.schedule.next_execution_time == datetime(2026, 11, 26, tzinfo=UTC)
    odd = read(least | {"schedule": "hourly"})  # whatever it says, there is one
    assert (odd.is_scheduled, odd.schedule.cron_expression) == (True, None)


def test_one_malformed_item_does_not_lose_the_others(caplog):
    answer = {"materialized_views": [{"sql_id": "a"}, {"id": "no name"}, None, 7, {"sql_id": ""}, {"sql_id": "b"}]}
    assert [info.sql_id for info in models.MaterializedViewList.model_validate(answer).materialized_views] == ["a", "b"]
    assert "An item of 'materialized_views' in an answer of Dune's cannot be read, and is left out." in caplog.text


def test_no_row_and_no_node_of_a_plan_is_ever_left_out():
    with pytest.raises(ValidationError, match=r"rows\.1"):
        models.ResultData.model_validate({"rows": [{"n": 1}, None]})
    with pytest.raises(ValidationError, match=r"nodes\.0\.id"):
        models.QueryPipeline.model_validate({"pipeline": {"nodes": [{"id": "one"}]}})


@pytest.mark.parametrize(
    ("told", "credits_"), [(2.5, 2.5), ("2.5", 2.5), (0, 0.0), (-3, None), ("-3", None), (1e400, None), (None, None)]
)
def test_what_an_execution_cost_is_never_less_than_nothing(told, credits_):
    """Sums of it keep to what a user allows."""
    status = models.ExecutionStatus.model_validate({"execution_cost_credits": told})
    assert status.execution_cost_credits == credits_


@pytest.mark.parametrize("error", ["words", {"message": "words"}, {"message": "words", "metadata": 7}])
def test_an_error_is_an_error_in_whatever_form(error):
    assert models.ExecutionStatus.model_validate({"error": error}).error.message == "words"


@pytest.mark.parametrize("error", [{"code": 7}, ["x"], 7, True])
def test_an_odd_error_of_a_node_is_no_success(error):
    status = models.QueryExecutionStatus.model_validate({"status": "completed", "error": error})
    assert status.error


@pytest.mark.parametrize("text", ["2026-11-25T10:00:00", "2026-11-25T10:00:00Z", "2026-11-25T11:00:00+01:00"])
def test_times_are_utc_whether_they_say_so_or_not(text):
    status = models.ExecutionStatus.model_validate({"submitted_at": text, "execution_ended_at": "2026-11-25T10:00:01"})
    assert (status.execution_ended_at - status.submitted_at).total_seconds() == 1
