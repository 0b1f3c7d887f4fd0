"""What ``import dagster_dune`` costs beside ``import dagster``, and the command's help: fresh processes, in turns.

python -m benchmarks.import_time

All are compiled before: where bytecode cannot be kept, compiling is most of it. The names of dagster_dune are imported
when they are asked for; here all of them are, as a code location does that uses each.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 15
RATIO = 1.10
HELP_SECONDS = 1.0
COMMANDS = {
    "import dagster": "import dagster",
    "import dagster_dune": "import dagster_dune; [getattr(dagster_dune, name) for name in dagster_dune.__all__]",
    "dagster-dune --help": "import sys; sys.argv = ['dagster-dune', '--help']; from dagster_dune.cli import app; app()",
}


def seconds(code: str, environment: dict[str, str]) -> float:
    """Return the processor time of a process that runs some Python: what else the machine does counts little."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> int:
    """Print the table, and return 1 where a limit is passed."""
    times: dict[str, list[float]] = {command: [] for command in COMMANDS}
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": bytecode,
        }
        for code in COMMANDS.values():
            seconds(code, environment)
        for _ in range(ROUNDS):
            for command, code in COMMANDS.items():
                times[command].append(seconds(code, environment))
    medians = {command: statistics.median(values) for command, values in times.items()}
    print(f"{platform.platform()}, Python {platform.python_version()}, {ROUNDS} processes each, processor time")
    for command, median in medians.items():
        print(f"{command:<20} {median:6.3f} s")
    ratio = medians["import dagster_dune"] / medians["import dagster"]
    print(f"ratio {ratio:.3f}, limit {RATIO:.2f}; help limit {HELP_SECONDS:.1f} s")
    return int(ratio > RATIO or medians["dagster-dune --help"] > HELP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
