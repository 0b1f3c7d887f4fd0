"""Unknown and missing fields of an answer, also those of what is nested in it."""

from dagster_dune.api import models
from dagster_dune.doctor.model_fields import missing_fields, unknown_fields

STATUS = {
    "status": "completed",
    "tier": "plus",
    "node_executions": [
        {"id": 1, "query_execution_status": {"query_id": 1, "status": "x", "seconds": 3}},
        {"id": 2, "colour": None, "materialized_view_refresh_status": {"name": "a", "execution_id": None}},
    ],
}


def test_fields_of_nested_answers_have_their_place():
    assert unknown_fields(models.PipelineStatus, STATUS) == [
        "node_executions[].colour",
        "node_executions[].query_execution_status.seconds",
        "tier",
    ]
    missing = missing_fields(models.PipelineStatus, STATUS)
    assert "node_executions[].materialized_view_refresh_status.status" in missing
    assert "error" in missing


def test_aliases_count_and_what_is_counted_here_does_not():
    parameter = {"key": "a", "type": "text", "value": "b", "enumOptions": ["b"]}
    assert unknown_fields(models.SavedQuery, {"query_id": 1, "parameters": [parameter]}) == []
    assert "listed" not in missing_fields(models.QueryList, {"queries": []})


def test_what_is_no_object_has_no_fields():
    assert unknown_fields(models.Usage, None) == unknown_fields(models.Usage, [1]) == []
