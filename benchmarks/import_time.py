"""What ``import dagster_dune`` costs beside ``import dagster``: medians of fresh processes, taken in turns.

python -m benchmarks.import_time
"""

import platform
import statistics
import subprocess
import sys
import time

ROUNDS = 15
LIMIT_SECONDS = 0.10


def seconds(module: str) -> float:
    """Time a process that imports one module."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> int:
    """Print the table, and return 1 where the limit is passed."""
    modules = ("dagster", "dagster_dune")
    for module in modules:
        seconds(module)
    times = {module: [] for module in modules}
    for _ in range(ROUNDS):
        for module in modules:
            times[module].append(seconds(module))
    medians = {module: statistics.median(values) for module, values in times.items()}
    extra = medians["dagster_dune"] - medians["dagster"]
    print(f"{platform.platform()}, Python {platform.python_version()}, {ROUNDS} processes each")
    for module, median in medians.items():
        print(f"import {module:<14} {median:6.3f} s   ratio {median / medians['dagster']:.3f}")
    print(f"extra {extra:.3f} s, limit {LIMIT_SECONDS:.2f} s")
    return int(extra > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
