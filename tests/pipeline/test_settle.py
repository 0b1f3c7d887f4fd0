"""Status answers become outcomes: each node settles once, in the end, and rightly."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_dune.api.models import ExecutionStatus, MaterializedViewRefresh, PipelineStatus, QueryExecution
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.settle import ANSWERS_AFTER_END, Result, Settlement
from dagster_dune.pipeline.states import PHASES, Phase, phase_of

CHAIN = DuneCatalog(
    materialized_views=[MaterializedView(name="dune.acme.result_a"), MaterializedView(name="dune.acme.result_z")],
    queries=[Query(query_id=1, deps=["dune.acme.result_a"]), Query(query_id=2, deps=["query_1"])],
)
PLAN = plan_pipeline(CHAIN, {"dune.acme.result_a": "1", "query_1": "2", "query_2": "3", "dune.acme.result_z": "4"})
A, Q1, Q2, Z = 1, 2, 3, 4


def answer(overall="executing", error=None, **words):
    """A status answer; words by the node names a, q1, q2, z, each a word or (word, error)."""
    executions = []
    for name, said in words.items():
        word, node_error = said if isinstance(said, tuple) else (said, None)
        progress = {"status": word, "error": node_error, "execution_id": f"e-{name}" if word != "pending" else None}
        if name in ("a", "z"):
            node = {"id": A if name == "a" else Z, "materialized_view_refresh_status": progress}
            progress["name"] = f"dune.acme.result_{name}"
        else:
            node = {"id": Q1 if name == "q1" else Q2, "query_execution_status": progress}
            progress["query_id"] = int(name[1])
        executions.append(node)
    return PipelineStatus.model_validate({"status": overall, "error": error, "node_executions": executions})


def results(outcomes):
    return {outcome.node.id: outcome.result for outcome in outcomes}


def test_plan_is_as_these_tests_think():
    assert [node.sql_name for node in PLAN.nodes] == ["dune.acme.result_a", "query_1", "query_2", "dune.acme.result_z"]


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("pending", Phase.WAITING),
        ("QUERY_STATE_EXECUTING", Phase.RUNNING),
        ("Completed", Phase.COMPLETED),
        ("QUERY_STATE_COMPLETED_PARTIAL", Phase.PARTIAL),
        ("QUERY_STATE_CANCELLED", Phase.CANCELED),
        ("canceled", Phase.CANCELED),
        ("QUERY_STATE_EXPIRED", Phase.EXPIRED),
        (" failed ", Phase.FAILED),
        (None, Phase.WAITING),
        ("sleeping", Phase.UNKNOWN),
    ],
)
def test_words(word, phase):
    assert phase_of(word) is phase


@pytest.mark.parametrize("word", ["completed", "executing", "pending", "sleeping", None])
def test_an_error_means_failed_whatever_the_word(word):
    assert phase_of(word, "boom") is Phase.FAILED


def test_a_success_settles_at_once_and_only_once():
    settlement = Settlement(PLAN)
    assert results(settlement.update(answer(a="completed", q1="executing"))) == {A: Result.SUCCEEDED}
    assert settlement.update(answer(a="completed", q1="executing")) == []
    assert settlement.update(answer(a="executing", q1="executing")) == []


def test_dependents_of_a_failed_node_are_skipped_with_its_name():
    settlement = Settlement(PLAN)
    outcomes = settlement.update(answer("failed", a=("failed", "Line 1: boom"), z="completed"))
    assert results(outcomes) == {A: Result.FAILED, Q1: Result.SKIPPED, Q2: Result.SKIPPED, Z: Result.SUCCEEDED}
    failed, direct, indirect, _ = outcomes
    assert failed.reason == "Line 1: boom"
    assert direct.blocked_by == indirect.blocked_by == ("dune.acme.result_a",)
    assert "dune.acme.result_a" in indirect.reason


def test_siblings_of_a_failed_node_are_waited_for():
    settlement = Settlement(PLAN)
    assert results(settlement.update(answer("failed", a=("failed", "boom"), z="executing"))) == {
        A: Result.FAILED, Q1: Result.SKIPPED, Q2: Result.SKIPPED,
    }  # fmt: skip
    for _ in range(ANSWERS_AFTER_END * 2):
        settlement.update(answer("failed", a=("failed", "boom"), z="executing"))
    assert not settlement.done
    assert results(settlement.update(answer("failed", a=("failed", "boom"), z="completed"))) == {Z: Result.SUCCEEDED}


def test_the_pipeline_is_over_when_every_open_node_is_blocked_whatever_its_own_word():
    settlement = Settlement(PLAN)
    settlement.update(answer("executing", a=("failed", "boom"), z="completed"))
    assert settlement.done


def test_null_and_partial_node_lists_are_borne():
    settlement = Settlement(PLAN)
    assert settlement.update(PipelineStatus.model_validate({"status": "pending", "node_executions": None})) == []
    assert results(settlement.update(answer(z="completed"))) == {Z: Result.SUCCEEDED}
    assert not settlement.done


def test_nodes_that_an_ended_pipeline_never_ran_fail_after_some_patience():
    settlement = Settlement(PLAN)
    outcomes = []
    for _ in range(ANSWERS_AFTER_END + 1):
        assert not settlement.done
        outcomes += settlement.update(answer("failed", error="no capacity", a="completed", z="completed"))
    by_id = {outcome.node.id: outcome for outcome in outcomes}
    assert results(outcomes) == {
        A: Result.SUCCEEDED, Z: Result.SUCCEEDED, Q1: Result.FAILED, Q2: Result.SKIPPED,
    }  # fmt: skip
    assert "no capacity" in by_id[Q1].reason
    assert by_id[Q2].blocked_by == ("query_1",)


def test_an_unknown_word_is_settled_by_the_execution_itself():
    settlement = Settlement(PLAN)
    assert settlement.update(answer(z="slumbering")) == []
    ((node, execution_id),) = settlement.doubtful()
    assert (node.id, execution_id) == (Z, "e-z")
    assert settlement.update_node(node, ExecutionStatus(state="QUERY_STATE_EXECUTING")) == []
    assert results(settlement.update_node(node, ExecutionStatus(state="QUERY_STATE_COMPLETED"))) == {
        Z: Result.SUCCEEDED
    }
    assert settlement.unknown_statuses == {"slumbering": "dune.acme.result_z"}
    assert settlement.doubtful() == []


def test_a_node_that_seems_to_run_on_after_the_end_is_asked():
    settlement = Settlement(PLAN)
    for _ in range(ANSWERS_AFTER_END + 1):
        settlement.update(answer("completed", a="completed", q1="completed", q2="completed", z="executing"))
    assert [node.id for node, _ in settlement.doubtful()] == [Z]


def test_a_name_beside_a_foreign_id_decides():
    settlement = Settlement(PLAN)
    status = {"node_executions": [{"id": A, "query_execution_status": {"query_id": 2, "status": "completed"}}]}
    assert results(settlement.update(PipelineStatus.model_validate(status))) == {Q2: Result.SUCCEEDED}


def test_a_partial_result_is_a_success_that_says_so():
    (outcome,) = Settlement(PLAN).update(answer(z="QUERY_STATE_COMPLETED_PARTIAL"))
    assert (outcome.result, outcome.phase) == (Result.SUCCEEDED, Phase.PARTIAL)


@pytest.mark.parametrize("word", ["QUERY_STATE_CANCELLED", "expired", "failed"])
def test_bad_ends_without_a_text_still_have_a_reason(word):
    (outcome,) = Settlement(PLAN).update(answer(z=word))
    assert outcome.result is Result.FAILED
    assert outcome.reason


words = st.sampled_from([*PHASES, "QUERY_STATE_COMPLETED", "QUERY_STATE_FAILED", "slumbering"])
answers = st.builds(
    lambda overall, error, nodes: answer(overall, error, **nodes),
    overall=words,
    error=st.sampled_from([None, None, "boom"]),
    nodes=st.dictionaries(
        st.sampled_from(["a", "q1", "q2", "z"]), st.tuples(words, st.sampled_from([None, None, "bad"]))
    ),
)


@given(st.lists(answers, max_size=8))
def test_any_sequence_of_answers_ends_right(sequence):
    settlement = Settlement(PLAN)
    outcomes, answers_before = [], {}
    for count, status in enumerate(sequence, start=1):
        settled = settlement.update(status)
        outcomes += settled
        answers_before |= {outcome.node.id: count for outcome in settled}
    # What ends every sequence: the pipeline's end, and each doubtful execution asked.
    for _ in range(2 * ANSWERS_AFTER_END + 2):
        outcomes += settlement.update(answer("completed"))
        for node, _ in settlement.doubtful():
            outcomes += settlement.update_node(node, ExecutionStatus(state="QUERY_STATE_FAILED"))
    assert settlement.done
    by_id = {outcome.node.id: outcome for outcome in outcomes}
    assert len(outcomes) == len(by_id) == 4
    for outcome in outcomes:
        # A node that an ended pipeline left open for too long has settled before its word came.
        first_end = _first_end(sequence[: answers_before.get(outcome.node.id)], outcome.node.id)
        if outcome.result is Result.SUCCEEDED:
            assert first_end in (Phase.COMPLETED, Phase.PARTIAL)
        elif outcome.result is Result.SKIPPED:
            upstream = outcome.node.dependencies
            assert any(by_id[up].result is not Result.SUCCEEDED for up in upstream)
        else:
            assert first_end not in (Phase.COMPLETED, Phase.PARTIAL)
        assert outcome.reason or outcome.result is Result.SUCCEEDED


def _first_end(sequence, node_id):
    for status in sequence:
        for execution in status.node_executions:
            phase = phase_of(execution.progress.status, execution.progress.error)
            if execution.id == node_id and phase.has_ended:
                return phase
    return None


DIGITS = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.21co.result_a"),
        MaterializedView(name="dune.21co.result_b"),
        MaterializedView(name="dune.acme.result_b"),
    ]
)
OF_DIGITS = plan_pipeline(DIGITS, {view.name: view.name for view in DIGITS.materialized_views})


@pytest.mark.parametrize(
    ("written", "id_", "settles"),
    [
        ('dune."21co".result_a', 1, 1),
        ("result_a", 1, 1),
        ("result_a", 7, 1),
        (" Dune.21CO.Result_A ", 1, 1),
        ('"dune"."21co"."result_a"', 7, 1),
        ("dune.21co.result_b", 1, 2),  # the name is another node's
        ("result_b", 3, 3),  # two are called so, and the id says which
        ("result_b", 1, None),  # two are called so, and the id is neither
        ("dune.21co.result_renamed", 1, 1),  # the name is nobody's
        ("dune.21co.result_renamed", 7, None),
    ],
)
def test_names_as_dune_may_write_them(written, id_, settles):
    settlement = Settlement(OF_DIGITS)
    done = {"name": written, "status": "completed", "execution_id": "e"}
    nodes = [{"id": id_, "materialized_view_refresh_status": done}]
    status = PipelineStatus.model_validate({"status": "executing", "node_executions": nodes})
    assert results(settlement.update(status)) == ({settles: Result.SUCCEEDED} if settles else {})


@pytest.mark.parametrize(
    ("queries", "replaced"),
    [
        ({Q1: 9}, {"query_1": "query_9"}),
        ({Q1: 9, Q2: 2}, {"query_1": "query_9"}),
        ({Q1: 9, 7: 1}, {}),  # the ids are new ones
        ({Q1: 2}, {}),  # and the answer does not list all nodes yet
        ({Q1: 2, Q2: 1}, {}),
        ({A: 9}, {}),  # a matview, of which that may be the query
        ({}, {}),
    ],
)
def test_a_query_in_place_of_a_planned_one_is_not_that(queries, replaced):
    nodes = [
        {"id": id_, "query_execution_status": {"query_id": query, "status": "completed", "execution_id": f"e{query}"}}
        for id_, query in queries.items()
    ]
    settlement = Settlement(PLAN)
    status = PipelineStatus.model_validate({"status": "executing", "node_executions": nodes})
    outcomes = {outcome.node.sql_name: outcome.execution_id for outcome in settlement.update(status)}
    assert settlement.replaced == replaced
    assert outcomes == {f"query_{query}": f"e{query}" for query in queries.values() if query != 9} | (
        {"dune.acme.result_a": "e9"} if A in queries else {}
    )


WORDS = {"completed": Result.SUCCEEDED, "failed": Result.FAILED, "executing": None}
PIPELINE = st.lists(st.tuples(st.sampled_from([10, 11]), st.sampled_from(list(WORDS))), min_size=1, max_size=6)


@given(PIPELINE, st.data())
def test_a_part_of_a_pipeline_hears_its_own_words_alone(nodes, data):
    """Partitions of one query are nodes of one name; an attempt may follow some of them, and not all may be listed."""
    target = QueryExecution(query_id=1)
    planned = [
        PlannedNode(id_, f"query_{query}", (), target, partition=Partition((str(id_),)))
        for id_, (query, _) in enumerate(nodes, 1)
    ]
    said = [
        {"id": id_, "query_execution_status": {"query_id": query, "status": word, "execution_id": f"e{id_}"}}
        for id_, (query, word) in enumerate(nodes, 1)
    ]
    wanted = data.draw(st.lists(st.sampled_from(planned), min_size=1, unique_by=lambda node: node.id))
    listed = data.draw(st.lists(st.sampled_from(said), unique_by=lambda node: node["id"]))
    settlement = Settlement(PipelinePlan(tuple(wanted)), len(nodes))
    status = PipelineStatus.model_validate({"status": "executing", "node_executions": listed})
    outcomes = {outcome.node.id: (outcome.result, outcome.execution_id) for outcome in settlement.update(status)}
    ids = {node.id for node in wanted} & {node["id"] for node in listed}
    assert outcomes == {id_: (result, f"e{id_}") for id_ in ids if (result := WORDS[nodes[id_ - 1][1]])}


def test_a_matview_at_the_id_of_a_query_that_is_not_listed_yet_is_of_the_same_pipeline():
    """The lineage form, in which Dune numbers the nodes, while its answer lacks some."""
    view = PlannedNode(1, "dune.acme.result_a", (), MaterializedViewRefresh(name="dune.acme.result_a"))
    query = PlannedNode(2, "query_1", (1,), QueryExecution(query_id=1))
    for name in ("dune.acme.result_a", "dune.acme.result_beside"):
        node = {"id": 2, "materialized_view_refresh_status": {"name": name, "status": "executing"}}
        settlement = Settlement(PipelinePlan((view, query)), 3)
        status = PipelineStatus.model_validate({"status": "executing", "node_executions": [node]})
        assert settlement.update(status) == []
        assert settlement.replaced == {}


def test_other_ids_than_sent_are_borne_where_names_tell_a_part_of_a_pipeline():
    """The lineage form, in which Dune numbers the nodes: its last one may be of a partition."""
    view = PlannedNode(1, "dune.acme.result_a", (), MaterializedViewRefresh(name="dune.acme.result_a"))
    query = PlannedNode(2, "query_1", (1,), QueryExecution(query_id=1), partition=Partition(("2024-01-01",)))
    nodes = [
        {"id": 7, "materialized_view_refresh_status": {"name": "dune.acme.result_a", "status": "completed"}},
        {"id": 9, "query_execution_status": {"query_id": 1, "status": "failed"}},
    ]
    status = PipelineStatus.model_validate({"status": "executing", "node_executions": nodes})
    assert results(Settlement(PipelinePlan((view, query))).update(status)) == {1: Result.SUCCEEDED, 2: Result.FAILED}
    alone = PipelinePlan((replace(query, dependencies=()),))
    assert results(Settlement(alone, 2).update(status)) == {2: Result.FAILED}
