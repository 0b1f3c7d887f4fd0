"""A deployment whose runs are processes that fork from one that has imported everything: a tenth of the price."""

import json
import os
import signal
import uuid
from pathlib import Path

import dagster as dg
from attempt import REQUEST_TAG
from deployment import Deployment
from forks import ForkedProcess, ForkServer
from waiting import wait_until

HERE = Path(__file__).parent
REQUEST = {"tags": {}, "parent": None, "strategy": None, "is_tagged": True, "is_automatic": False, "assets": []}


class ForkedDeployment(Deployment):
    """Launches, tries again and terminates as `Deployment` does, without a webserver, a daemon and a code server."""

    def start_server(self):
        """Start the process that runs fork from."""
        paths = os.pathsep.join([str(HERE), self.environment["PYTHONPATH"]])
        self._server = ForkServer({**self.environment, "PYTHONPATH": paths}, "location", "attempt")
        self._workers = {}

    def __exit__(self, *_):
        self._server.close()
        super().__exit__()

    def _request(self, **request):
        request = {"id": uuid.uuid4().hex, **REQUEST, **request}
        log = self.home / f"{request['id']}.log"
        worker = ForkedProcess(self._server, ["attempt:main", json.dumps(request)], self.environment, log)
        self._workers[request["id"]] = worker
        made = dg.RunsFilter(tags={REQUEST_TAG: request["id"]})

        def find():
            has_ended = worker.poll() is not None
            return self.instance.get_runs(made) or (["none"] if has_ended else [])

        run = wait_until(find)[0]
        if run == "none":
            return None
        return run.run_id

    def launch(self, *, job, tags=None):
        """Launch a job, and return the run's id."""
        run_id = self._request(job=job, tags=tags or {})
        assert run_id, "no run was made: see the logs in DAGSTER_HOME"
        return run_id

    def reexecute(self, run_id, strategy, *, is_tagged=True, is_automatic=False):
        """Try a run again, and return the new run's id; None where nothing is left to do."""
        job = self.instance.get_run_by_id(run_id).job_name
        return self._request(job=job, parent=run_id, strategy=strategy, is_tagged=is_tagged, is_automatic=is_automatic)

    def reexecute_assets(self, run_id, names):
        """Try some assets of a run again by hand, without their checks, and return the new run's id."""
        job = self.instance.get_run_by_id(run_id).job_name
        return self._request(job=job, parent=run_id, strategy="ASSETS", assets=sorted(names))

    def terminate(self, run_id):
        """Terminate a run as Dagster's launchers do, and return whether it had not ended yet."""
        run = self.instance.get_run_by_id(run_id)
        if run.is_finished:
            return False
        self.instance.report_run_canceling(run)
        os.kill(self.run_worker(run_id), signal.SIGINT)
        return True

    def finish(self, run_id):
        """Wait until a run has ended, and return it. What has lost its worker is failed, as run monitoring does."""

        def look():
            run = self.instance.get_run_by_id(run_id)
            has_worker = self._workers[run.tags[REQUEST_TAG]].poll() is None
            if not run.is_finished and not has_worker and not (run := self.instance.get_run_by_id(run_id)).is_finished:
                self.instance.report_run_failed(run, "The run worker has ended unexpectedly.")
            return run.is_finished and run

        return wait_until(look)
