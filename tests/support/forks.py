"""Processes of Dagster that fork from one which has imported everything already: a tenth of the price.

What runs in them is what Dagster's own launcher and commands would run; they have their own session, their own
environment and their own log, and can be killed apart. `ForkingRunLauncher` is named in a dagster.yaml. What ends
without having ended its run fails it, as Dagster's code servers do.
"""

import atexit
import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import dagster as dg
from waiting import wait_until

SOCKET = "DAGSTER_DUNE_FORKS"
IMPORTED = ("dagster_dune._execution.step", "dagster_dune.api.http.transport")
PROGRAMS = ("dagster", "dagster-daemon", "dagster-webserver")


def ask(address, **request):
    """Ask the server that processes fork from for something."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(json.dumps(request).encode())
        connection.shutdown(socket.SHUT_WR)
        return json.loads(b"".join(iter(functools.partial(connection.recv, 2**16), b"")))


class ForkServer:
    """A process that others fork from.

    Args:
        environment: Its environment; this process's own if None.
        modules: What it imports beside Dagster and this package.

    Attributes:
        address: Where it is asked.
    """

    def __init__(self, environment=None, *modules):
        self._folder = tempfile.mkdtemp(prefix="forks-")
        self.address = f"{self._folder}/socket"
        self._process = subprocess.Popen(
            [sys.executable, __file__, self.address, *modules],
            cwd=Path(__file__).parents[2],
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        wait_until(lambda: Path(self.address).exists() or self._process.poll() is not None)
        assert self._process.poll() is None, "the server that processes fork from has ended"

    def close(self):
        """Kill it, and every process that has forked from it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def fork_server():
    """This process's own, which ends with it."""
    server = ForkServer()
    atexit.register(server.close)
    return server


class ForkedProcess:
    """What is used of `subprocess.Popen`, for a process that forks.

    Args:
        server: What it forks from.
        command: One of Dagster's programs, or ``module:function``, and its arguments.
        env: Its environment.
        log: The path of the file that it writes to.
    """

    def __init__(self, server, command, env, log):
        self._address = server.address
        log.touch()
        self.pid = ask(self._address, command=command, environment=env, log=str(log))

    def poll(self):
        """How it ended; None while it runs."""
        return ask(self._address, poll=self.pid)

    def wait(self, seconds):
        """Wait until it has ended."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.poll() is not None, patience=seconds)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(str(self.pid), seconds)

    def send_signal(self, number):
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class ForkingRunLauncher(dg.DefaultRunLauncher):
    """Launches a run as Dagster's own launchers do, in a process that forks."""

    def launch_run(self, context):
        """Launch it."""
        run_id = context.dagster_run.run_id
        arguments = {
            "__class__": "ExecuteRunArgs",
            "pipeline_origin": json.loads(dg.serialize_value(context.job_code_origin)),
            "pipeline_run_id": run_id,
            "instance_ref": None,
        }
        ask(
            os.environ[SOCKET],
            command=["dagster", "api", "execute_run", json.dumps(arguments)],
            environment=dict(os.environ),
            log=str(Path(os.environ["DAGSTER_HOME"], "runs.log")),
            run_id=run_id,
        )

    def terminate(self, run_id):
        """Interrupt a run, and return whether it was there to be interrupted."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return ask(os.environ[SOCKET], interrupt=run_id)


class _Forked(BaseException):
    """Leaves the server's stack in a process that has forked from it."""

    def __init__(self, action):
        super().__init__()
        self.action = action


class _Server:
    def __init__(self, address):
        self._ended = {}
        self._runs = {}
        self._listener = socket.socket(socket.AF_UNIX)
        unfinished = Path(f"{address}.new")
        self._listener.bind(str(unfinished))
        self._listener.listen(64)
        unfinished.rename(address)

    def serve(self):
        parent = os.getppid()
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while os.getppid() == parent:
                if selector.select(0.1):
                    self._answer()
                self._reap()

    def _answer(self):
        connection, _ = self._listener.accept()
        with connection:
            request = json.loads(b"".join(iter(functools.partial(connection.recv, 2**16), b"")))
            connection.sendall(json.dumps(self._do(**request)).encode())

    def _do(self, command=None, poll=None, interrupt=None, run_id=None, **process):
        if command:
            pid = self._fork(functools.partial(_run_program, command, **process))
            if run_id:
                self._runs[pid] = (run_id, process)
            return pid
        self._reap()
        if poll:
            return self._ended.get(poll)
        pids = [pid for pid, (run_id, _) in self._runs.items() if run_id == interrupt and pid not in self._ended]
        for pid in pids:
            os.kill(pid, signal.SIGINT)
        return bool(pids)

    def _fork(self, action):
        sys.stdout.flush()
        sys.stderr.flush()
        if (pid := os.fork()) == 0:
            self._listener.close()
            raise _Forked(action)
        self._ended.pop(pid, None)  # of a process that had this number before
        return pid

    def _reap(self):
        with contextlib.suppress(ChildProcessError):
            while pid := (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended[pid] = os.waitstatus_to_exitcode(ended[1])
                if pid in self._runs:
                    run_id, process = self._runs.pop(pid)
                    self._fork(functools.partial(_fail_unfinished, run_id, **process))


def _settle_in(environment, log):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)


def _run_program(command, environment, log):
    _settle_in(environment, log)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = list(command)
    sys.exit(_program(command[0])())


def _fail_unfinished(run_id, environment, log):
    _settle_in(environment, log)
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            instance.report_run_failed(run, "The run worker has ended unexpectedly.")


@functools.cache
def _program(name):
    module, _, function = name.partition(":")
    if function:
        return getattr(importlib.import_module(module), function)
    (point,) = entry_points(group="console_scripts", name=name)
    return point.load()


def main():
    """Fork for whoever asks, until the process that has started this one ends."""
    address, *modules = sys.argv[1:]
    for name in (*IMPORTED, *modules):
        importlib.import_module(name)
    for name in PROGRAMS:
        _program(name)
    # Dagster asks for "spawn", which is right for users, and 3 s of imports for each step.
    of_method = multiprocessing.get_context
    multiprocessing.get_context = lambda _=None: of_method("fork")
    _Server(address).serve()


if __name__ == "__main__":
    try:
        main()
    except _Forked as forked:
        action = forked.action
    else:
        sys.exit()
    action()
