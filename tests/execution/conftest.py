"""Runs as Dagster stores them, and what an attempt makes of them."""

import uuid
from datetime import timedelta

import dagster as dg
import pytest
from databases import EACH_DATABASE, database_of_test, instance_of

from dagster_dune import DuneCatalog, DuneResource, Query, build_dune_assets
from dagster_dune._execution.submissions.actions import AwaitEnd, Follow, HasEnded, Look, Submit, TakeOver, Wait
from dagster_dune._execution.submissions.policy import look, policy_of
from dagster_dune._execution.submissions.protocol import Attempt
from dagster_dune._execution.submissions.run_group import RunGroup
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, report_takeovers
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2, deps=["query_1"])])
PLAN = plan_pipeline(CATALOG, {"query_1": "a", "query_2": "b"})
ASSETS = build_dune_assets(CATALOG)
POLICY = {"resume": True, "max_age": timedelta(days=1), "retry_failed_nodes": False}


@pytest.fixture(scope="session")
def job():
    definitions = dg.Definitions(
        assets=[ASSETS], jobs=[dg.define_asset_job("job")], resources={"dune": DuneResource(api_key="unused")}
    )
    return definitions.resolve_job_def("job")


@pytest.fixture(scope="module", params=EACH_DATABASE)
def stored(request, tmp_path_factory):
    """An instance over each storage that Dagster has."""
    with (
        database_of_test(request.param) as server,
        instance_of(server, tmp_path_factory.mktemp("home")) as instance,
    ):
        yield instance


@pytest.fixture
def home(tmp_path):
    """A DAGSTER_HOME that several processes share."""
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return str(tmp_path)


@pytest.fixture
def make_run(instance, job):
    """A function that stores a run, perhaps as the child of another, with its tags inherited as Dagster does."""

    def make(parent=None, status=dg.DagsterRunStatus.FAILURE, tags=None, selection=None, checks=None, is_tagged=True):
        inherited = {}
        if parent:
            parent = instance.get_run_by_id(parent.run_id) or parent
            if is_tagged:
                inherited = {key: value for key, value in parent.tags.items() if key != "dagster/is_resume_retry"}
                root = parent.root_run_id or parent.run_id
                inherited |= {"dagster/parent_run_id": parent.run_id, "dagster/root_run_id": root}
        run = instance.create_run_for_job(
            job,
            status=status,
            tags={**inherited, **(tags or {})},
            parent_run_id=parent.run_id if parent else None,
            root_run_id=(parent.root_run_id or parent.run_id) if parent else None,
            asset_selection=selection,
        )
        if checks is None:
            return run
        return instance.run_storage.add_run(run._replace(run_id=str(uuid.uuid4()), asset_check_selection=checks))

    return make


@pytest.fixture
def submit(instance):
    """A function that writes down that a run has sent a plan, and what Dune answered."""

    def write(run, plan=PLAN, pipeline="P1", after=(), state=None):
        record = SubmissionRecord(instance, run, "dune_assets")
        assert record.intend(plan, after)
        if pipeline:
            assert record.close(State.ANSWERED, pipeline)
        elif state:
            assert record.close(state)
        return record

    return write


@pytest.fixture
def materialize(instance):
    """A function that writes down that a run has materialized something."""

    def write(run):
        materialization = dg.serialize_value(dg.AssetMaterialization("dune/query_1"))
        data = f'{{"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": {materialization}}}'
        event = dg.DagsterEvent(
            "ASSET_MATERIALIZATION",
            run.job_name,
            step_key="dune_assets",
            event_specific_data=dg.deserialize_value(data),
        )
        instance.report_dagster_event(event, run.run_id)

    return write


@pytest.fixture
def evaluate(instance):
    """A function that writes down what a check has said in a run."""

    def write(run, passed, blocking):
        event = dg.DagsterEvent(
            "ASSET_CHECK_EVALUATION",
            run.job_name,
            step_key="dune_assets",
            event_specific_data=dg.AssetCheckEvaluation(
                asset_key=dg.AssetMaterialization("dune/query_1").asset_key,
                check_name="check",
                passed=passed,
                metadata={},
                blocking=blocking,
            ),
        )
        instance.report_dagster_event(event, run.run_id)

    return write


class Told:
    """What an attempt does: the nodes it takes over of each pipeline, of how many; what it sends, asks, waits for."""

    def __init__(self):
        self.taken_over = {}
        self.sizes = {}
        self.sent = []
        self.waited = []
        self.ended = []

    def follow(self, submission, digests, names):
        """Note that nodes of a pipeline are followed."""
        pipeline, ids = submission.pipeline_execution_id, submission.node_ids
        nodes = sorted((ids[digest], names[digest]) for digest in digests)
        self.taken_over.setdefault(pipeline, []).extend(nodes)
        self.sizes[pipeline] = submission.size


@pytest.fixture
def attempt(instance):  # noqa: C901  (an action a case)
    """A function that carries an attempt out, without Dune: pipelines end well unless the test says otherwise."""

    def carry_out(run, plan=PLAN, *, runs_still=(), failing=(), dies=False, **settings):  # noqa: C901  (an action a case)
        group = RunGroup.of(instance, run.run_id)
        policy = policy_of(group, **{**POLICY, **settings})
        told = Told()
        actions, came = Attempt(plan, policy).actions(), None
        names = {node.digest: node.sql_name for node in plan.nodes}
        while True:
            try:
                action = actions.send(came)
            except StopIteration:
                return told
            came = None
            if isinstance(action, Look):
                came = look(RunGroup.of(instance, run.run_id), "dune_assets", policy)
            elif isinstance(action, Wait):
                told.waited.append(action.reason)
                came = len(told.waited) < 3
            elif isinstance(action, HasEnded):
                came = action.submission.pipeline_execution_id not in runs_still
            elif isinstance(action, AwaitEnd):
                told.ended.append(action.submission.pipeline_execution_id)
            elif isinstance(action, TakeOver):
                report_takeovers(instance, run, action.nodes)
                if dies:
                    return told
            elif isinstance(action, Follow):
                told.follow(action.submission, action.digests, names)
                came = frozenset(digest for digest in action.digests if names[digest] in failing)
            elif isinstance(action, Submit):
                told.sent += sorted(names[digest] for digest in action.digests)
                return told

    return carry_out
