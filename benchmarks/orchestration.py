"""One pipeline call beside what users do today: layers of ten queries of 0.5 s each.

    python -m benchmarks.orchestration [N ...]

The limit is the critical path, plus what Dagster itself needs for N events, measured in the same run.
"""

import os
import sys

from benchmarks.account import WIDTH, count_requests, local_dune, machine, measured

NODE_SECONDS = 0.5
POLL_SECONDS = 0.25
SLOW = {"op_a_node_multiprocess": 30}
VARIANTS = ("one_call", "one_call_without_details", "thread_pool", "op_a_node", "op_a_node_multiprocess")


def main() -> None:
    """Print a table for each N."""
    sizes = [int(text) for text in sys.argv[1:]] or [10, 30, 100]
    print(machine(), f"poll {POLL_SECONDS} s", f"nodes of {NODE_SECONDS} s in layers of {WIDTH}", sep="; ")
    for size in sizes:
        with local_dune(size, NODE_SECONDS) as url:
            os.environ |= {"BENCHMARK_SIZE": str(size), "BENCHMARK_URL": url, "BENCHMARK_POLL": str(POLL_SECONDS)}
            _table(size, url)


def _table(size: int, url: str) -> None:
    module = "benchmarks.orchestration_variants"
    floor = measured(module, variant="floor")["wall"]
    critical = NODE_SECONDS * -(-size // WIDTH)
    limit = critical + floor + POLL_SECONDS
    print(f"\nN = {size}: critical path {critical:.2f} s, Dagster's floor {floor:.2f} s, limit {limit:.2f} s")
    print(f"{'variant':<26} {'wall, s':>8} {'x limit':>8} {'x one call':>10} {'requests':>9} {'CPU, s':>7}")
    one_call = None
    for variant in VARIANTS:
        if size > SLOW.get(variant, size):
            continue
        before = count_requests(url)
        figures = measured(module, variant=variant)
        requests = count_requests(url) - before
        one_call = one_call or figures["wall"]
        ratios = f"{figures['wall'] / limit:8.2f} {figures['wall'] / one_call:10.2f}"
        print(f"{variant:<26} {figures['wall']:8.2f} {ratios} {requests:9d} {figures['cpu']:7.2f}", flush=True)


if __name__ == "__main__":
    main()
