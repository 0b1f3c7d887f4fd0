"""The variants that `benchmarks.orchestration` compares; each runs in a process of its own and prints its figures."""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import dagster as dg

from benchmarks.account import API_KEY, count_requests, layered, upstream
from dagster_dune import DuneApiClient, DuneResource, build_dune_assets

SIZE = int(os.environ.get("BENCHMARK_SIZE", "0"))
URL = os.environ.get("BENCHMARK_URL", "")
START = "2026-11-25T12:00:00.5Z"
POLL = float(os.environ.get("BENCHMARK_POLL", "0.25"))


def one_call(instance: dg.DagsterInstance, details: bool = True) -> None:
    """dagster-dune: one step, one pipeline call."""
    dune = DuneResource(api_key=API_KEY, base_url=URL, poll_interval=POLL, max_poll_interval=POLL, details=details)
    dg.materialize([build_dune_assets(layered(SIZE))], resources={"dune": dune}, instance=instance)


def one_call_without_details(instance: dg.DagsterInstance) -> None:
    """The same, with no read a node."""
    one_call(instance, details=False)


def floor(instance: dg.DagsterInstance, details: bool = True) -> dict[str, object]:
    """Dagster alone: the same events of the same assets, yielded at once. Return the times of its parts."""
    specs = list(build_dune_assets(layered(SIZE)).specs)
    metadata = [event_metadata(i + 1, details) for i in range(SIZE)]
    yielded, resumed = [], []

    @dg.multi_asset(specs=specs, can_subset=True)
    def nothing():
        for i, spec in enumerate(specs):
            yielded.append(time.perf_counter())
            yield dg.MaterializeResult(spec.key, metadata=metadata[i])
            resumed.append(time.perf_counter())

    begin = time.perf_counter()
    dg.materialize([nothing], instance=instance)
    events = [end - start for start, end in zip(yielded, resumed, strict=True)]
    return {"before": yielded[0] - begin, "events": events, "after": time.perf_counter() - resumed[-1]}


def event_metadata(query_id: int, details: bool) -> dict[str, object]:
    """What a run tells of one node of this account."""
    from dagster_dune.api.models import ExecutionStatus, QueryExecution  # noqa: PLC0415
    from dagster_dune.metadata import outcome_metadata  # noqa: PLC0415
    from dagster_dune.pipeline.nodes import PlannedNode  # noqa: PLC0415
    from dagster_dune.pipeline.settle import Outcome, Result  # noqa: PLC0415
    from dagster_dune.pipeline.states import Phase  # noqa: PLC0415

    shape = {"column_names": ["n"], "column_types": ["integer"], "total_row_count": 1, "total_result_set_bytes": 1}
    times = {"submitted_at": START, "execution_started_at": START, "execution_ended_at": START}
    status = ExecutionStatus.model_validate({"execution_cost_credits": 0.1, "result_metadata": shape, **times})
    node = PlannedNode(query_id, f"query_{query_id}", (), QueryExecution(query_id=query_id))
    id_ = "01M8AJPBRSSKTS0DNJKR8WW1GK"
    return outcome_metadata(
        Outcome(node, Result.SUCCEEDED, Phase.COMPLETED, id_, details=status if details else None), id_
    )


def execute(query_id: int) -> None:
    """Run one query with the official client, and wait for it."""
    from dune_client.client import DuneClient  # noqa: PLC0415
    from dune_client.query import QueryBase  # noqa: PLC0415

    client = DuneClient(API_KEY, base_url=URL)
    execution = client.execute_query(QueryBase(query_id)).execution_id
    while not client.get_execution_status(execution).state.name.endswith(("COMPLETED", "FAILED")):
        time.sleep(POLL)


def assets_of_ops() -> list[dg.AssetsDefinition]:
    """One op a query."""

    def asset(index: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"a{index}", deps=[f"a{up}" for up in upstream(index)])
        def run() -> None:
            execute(index + 1)

        return run

    return [asset(i) for i in range(SIZE)]


def multiprocess_job() -> dg.JobDefinition:
    """The job of one op a query, for processes that load it again."""
    job = dg.define_asset_job("each", executor_def=dg.multiprocess_executor)
    return dg.Definitions(assets=assets_of_ops(), jobs=[job]).resolve_job_def("each")


def op_a_node(instance: dg.DagsterInstance) -> None:
    """One op a node with the official client, in one process."""
    dg.materialize(assets_of_ops(), instance=instance)


def op_a_node_multiprocess(instance: dg.DagsterInstance) -> None:
    """One op a node with the official client, in a process each."""
    result = dg.execute_job(dg.reconstructable(multiprocess_job), instance=instance)
    assert result.success


def thread_pool(instance: dg.DagsterInstance) -> None:  # noqa: ARG001
    """A thread pool that knows the dependencies, with the official client and no Dagster."""
    waiting = {i: set(upstream(i)) for i in range(SIZE)}
    with ThreadPoolExecutor(16) as pool:
        running = {}
        while waiting or running:
            for i in [i for i, ups in waiting.items() if not ups]:
                del waiting[i]
                running[pool.submit(execute, i + 1)] = i
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                index = running.pop(future)
                for ups in waiting.values():
                    ups.discard(index)


VARIANTS: dict[str, Callable[..., dict[str, object] | None]] = {
    function.__name__: function
    for function in (floor, one_call, one_call_without_details, op_a_node, op_a_node_multiprocess, thread_pool)
}


def cpu_seconds() -> float:
    """The CPU time of this process and of those it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Run the variant named on the command line."""
    with DuneApiClient(API_KEY, URL) as client:  # what a request imports is imported before the clock starts
        list(client.list_materialized_views())
    arguments = json.loads(sys.argv[1])
    variant = VARIANTS[arguments.pop("variant")]
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        with dg.DagsterInstance.get() as instance:
            sent_before = count_requests(URL)
            cpu, start = cpu_seconds(), time.perf_counter()
            figures = variant(instance, **arguments) or {}
            figures |= {"wall": time.perf_counter() - start, "cpu": cpu_seconds() - cpu}
            figures["requests"] = count_requests(URL) - sent_before
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
