"""The record of writes: which tables on Dune runs are writing, kept in the event logs of these runs.

Clearing a table and inserting into it are requests of their own, and what a killed process has sent may yet be carried
out. So a write is an event before its first request, one before each insert, one every two minutes for as long as its
process goes on with it, and one when nothing of it can come any more. Of two that would leave the rows of both, or the
same rows twice, the later waits for the earlier: until that has ended, or until nothing of it can come any more.

Which is the earlier one is settled as in Lamport's bakery algorithm, so that it depends neither on clocks nor on how
fast the storage is: a write is announced, takes a time after that of all others that it sees, and then waits for those
that are announced to have a time too, and for those of an earlier time.
"""

from __future__ import annotations

import logging
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_dune._execution.submissions.run_group import is_under_way
from dagster_dune._execution.submissions.submission_record import acknowledged, entries_under, event_with
from dagster_dune._execution.submissions.write import Step, Write, default_settle_seconds, step_of
from dagster_dune._formatting import readable_seconds
from dagster_dune.errors import DuneUploadError
from dagster_dune.metadata import LATE_WRITE_TAG, UNSETTLED_WRITE_TAG, WRITE_KEY

if TYPE_CHECKING:
    pass

ALIVE_SECONDS = 120.0
"""How often a write that goes on, or waits, says so at least, where its requests do not settle sooner."""
LEAST_ALIVE_SECONDS = 1.0
ALIVE_A_SETTLING = 4
"""So often it says so before others take it for one that was cut off."""
PAUSES = (0.05, 15.0)
"""Between two looks at the writes of others: the first, and the longest."""
TICK_SECONDS = 0.001
"""By so much a write begins after the others that it sees, whatever its clock says."""
MOMENT_SECONDS = 2.0
"""What is announced has begun so soon, as a rule, that waiting for it is no news."""
ALIVE = "alive"
_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_CUT_OFF = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_ENDED = [*_CUT_OFF, dg.DagsterRunStatus.SUCCESS]
_LEFT = {UNSETTLED_WRITE_TAG: "true"}
_LATE = {LATE_WRITE_TAG: "true"}


@dataclass(frozen=True)
class _Begun:
    """Another write, read from its events; times are seconds since 1970.

    Attributes:
        id: Its own.
        write: What is written.
        run_id: The run that makes it.
        step_key: The step that makes it.
        sent_at: When it began its last request, or last reported that it is under way.
        began_at: When it began; None if it is only announced.
        settles_at: The time from which Dune cannot carry out any request of it.
    """

    id: str
    write: Write
    run_id: str
    step_key: str
    sent_at: float
    began_at: float | None = None
    settles_at: float = 0.0


class WriteRecord:
    """One write of a step, in the record of all writes of its Dagster instance.

    Args:
        step: The step.
        write: Its table, and how the table is written.
    """

    def __init__(self, step: Step, write: Write) -> None:
        self._instance = step.instance
        self._run = step.run
        self._step_key = step.key
        self._log = step.log
        self._write = write
        self._id = uuid.uuid4().hex[:12]
        self._began_at = 0.0
        self._is_over = Event()

    def begin(self) -> bool:
        """Report that the write begins, and wait for the writes that it must not overlap.

        Returns:
            True: the table may have changed since it was looked at, even where nothing was waited for, by a write that
            ended just before this one was announced.

        Raises:
            DuneUploadError: The report could not be stored, or the run has ended, so that a retry may have written the
                same rows. Nothing was sent.
        """
        self._mark_if_late()
        self._report_or_raise("announced", f"{self._write.table} is to be written.", write=asdict(self._write))
        self._send_heartbeats()
        latest = max((other.began_at or 0.0 for other in self._others()), default=0.0)
        self._began_at = max(time.time(), latest + TICK_SECONDS)
        about = f"{self._write.table} is about to be written."
        self._report_or_raise("begun", about, at=self._began_at, write=asdict(self._write))
        self._wait_for_earlier()
        if not is_under_way(self._instance, self._run.run_id):
            raise DuneUploadError(
                f"Run {self._run.run_id} ended before anything was sent to {self._write.table}, so nothing was.",
                hint="A process of the run has outlived it. Retry the run, unless a retry has written the table since.",
            )
        return True

    def go_on(self) -> None:
        """Report that another request is about to be sent.

        Raises:
            DuneUploadError: The report could not be stored. The request must not be sent.
        """
        self._report_or_raise("sent", f"Rows are about to be inserted into {self._write.table}.")

    def end(self) -> None:
        """Report that no request of the write is open. If it cannot be stored, others wait longer than needed."""
        self._is_over.set()
        self._report("ended", f"{self._write.table} is no longer being written.")

    def leave(self) -> None:
        """Mark the run: its write has stopped while Dune may still carry out a request of it. The run may succeed."""
        self._is_over.set()
        acknowledged(lambda: self._instance.add_run_tags(self._run.run_id, _LEFT))

    # --- the events ---

    def _mark_if_late(self) -> None:
        """Mark the run of a write that settles late: others look for those that settle sooner in newer runs alone."""
        if self._write.settle_seconds <= default_settle_seconds():
            return
        if not acknowledged(lambda: self._instance.add_run_tags(self._run.run_id, _LATE)):
            raise self._not_stored()

    def _send_heartbeats(self) -> None:
        """Report again and again that the write is under way: one without such reports counts as cut off.

        That ends with the write, and where nobody ends it, when nobody holds its record any more.
        """
        settling = max(self._write.settle_seconds / ALIVE_A_SETTLING, LEAST_ALIVE_SECONDS)
        arguments = (weakref.ref(self), self._is_over, min(ALIVE_SECONDS, settling))
        weakref.finalize(self, self._is_over.set)
        Thread(target=_send_heartbeats, args=arguments, name="dune-write", daemon=True).start()

    def report_alive(self) -> None:
        """Report that the write is under way, unless it has ended meanwhile."""
        self._report(ALIVE, f"{self._write.table} is still being written, or waited for.")

    def _report_or_raise(self, kind: str, message: str, **data: Any) -> None:
        if not self._report(kind, message, **data):
            raise self._not_stored()

    def _not_stored(self) -> DuneUploadError:
        return DuneUploadError(
            f"That {self._write.table} is written could not be stored in run {self._run.run_id} in time, so that "
            "nothing more was sent.",
            hint="Look at the health of Dagster's database, then retry the run.",
        )

    def _report(self, kind: str, message: str, **data: Any) -> bool:
        data = {"id": self._id, "word": kind, "step": self._step_key, "at": time.time(), **data}
        event = event_with(WRITE_KEY, data, self._run, message, self._step_key)

        def store() -> None:
            if kind == ALIVE and self._is_over.is_set():
                return
            self._instance.report_dagster_event(event, self._run.run_id, logging.INFO)
            self._leave_if_run_has_ended()

        return acknowledged(store)

    def _leave_if_run_has_ended(self) -> None:
        """Mark a run that has ended before its process: other writes look into older runs only if they are marked."""
        run = self._instance.get_run_by_id(self._run.run_id)
        if run is not None and run.status in _ENDED and UNSETTLED_WRITE_TAG not in run.tags:
            self._instance.add_run_tags(run.run_id, _LEFT)

    # --- those of others ---

    def _wait_for_earlier(self) -> None:
        """Wait for the writes that began before this one, and for those that are announced and have not begun."""
        is_logged = False
        pause, longest = PAUSES
        while others := [other for other in self._others() if self._comes_after(other)]:
            last = max(others, key=lambda other: other.settles_at)
            seconds = max(0.0, last.settles_at - time.time())
            if not is_logged and (last.began_at is not None or pause > MOMENT_SECONDS):
                is_logged = True
                self._log.warning(
                    "%s is being written by run %s, or was when that was cut off, so that rows of it may yet come. "
                    "This write goes on when that has ended; where it was cut off, when none can come any more: in %s.",
                    self._write.table,
                    last.run_id,
                    readable_seconds(seconds),
                )
            time.sleep(min(pause, seconds))
            pause = min(2 * pause, longest)

    def _comes_after(self, other: _Begun) -> bool:
        return other.began_at is None or (other.began_at, other.id) < (self._began_at, self._id)

    def _others(self) -> Iterator[_Begun]:
        """The other writes that must not overlap this one, and whose requests Dune may still carry out."""
        for record in self._runs():
            for begun in self._of_run(record):
                if begun.id != self._id and self._write.excludes(begun.write) and begun.settles_at > time.time():
                    yield begun

    def _runs(self) -> Iterable[dg.RunRecord]:
        """The runs that may hold such writes, each once.

        The runs under way are read first, so that a run which ends between two queries is found by the second.
        """
        settle_seconds = max(self._write.settle_seconds, default_settle_seconds())
        since = datetime.fromtimestamp(time.time() - settle_seconds, UTC)
        filters = (
            dg.RunsFilter(statuses=_UNDER_WAY),
            dg.RunsFilter(statuses=_CUT_OFF, updated_after=since),
            dg.RunsFilter(statuses=_CUT_OFF, tags=_LATE),
            dg.RunsFilter(statuses=_ENDED, tags=_LEFT),
        )
        records = [record for each in filters for record in self._instance.get_run_records(each)]
        return {record.dagster_run.run_id: record for record in records}.values()

    def _of_run(self, record: dg.RunRecord) -> Iterator[_Begun]:
        run_id = record.dagster_run.run_id
        begun = dict[str, _Begun]()
        for entry in entries_under(WRITE_KEY, self._instance, run_id):
            id_, at = entry["id"], entry["at"]
            if entry["word"] == "announced":
                begun[id_] = _Begun(id_, Write.from_entry(entry), run_id, entry["step"], at)
            elif entry["word"] == "begun":
                begun[id_] = _Begun(id_, Write.from_entry(entry), run_id, entry["step"], at, began_at=at)
            elif entry["word"] == "ended":
                begun.pop(id_, None)
            elif id_ in begun:
                begun[id_] = replace(begun[id_], sent_at=at)
        for one in begun.values():
            # A request is given up after so many seconds, and Dune may work on it for as many more. What an earlier
            # attempt at this step has sent, it has sent before this one began.
            last = one.sent_at + max(one.write.settle_seconds, ALIVE_A_SETTLING * LEAST_ALIVE_SECONDS)
            is_of_earlier_attempt = run_id == self._run.run_id and one.step_key == self._step_key
            ended_at = self._began_at if is_of_earlier_attempt else record.end_time
            if ended_at is not None and ended_at >= one.sent_at:  # a process may outlive its run
                last = min(last, ended_at)
            yield replace(one, settles_at=last + one.write.settle_seconds)


def _send_heartbeats(record: weakref.ref[WriteRecord], is_over: Event, seconds: float) -> None:
    while not is_over.wait(seconds) and (held := record()) is not None:
        held.report_alive()
        del held  # it may go while this waits


def write_record(context: object, write: Write) -> WriteRecord | None:
    """Return the record of a write; None outside of steps.

    Args:
        context: The context of the op, asset, check, IO manager or hook that writes, or any other value.
        write: What is written.
    """
    try:
        step = step_of(context)
    except dg.DagsterError:  # a context that a test has made, or of a value that is loaded outside of runs
        return None
    return None if step is None else WriteRecord(step, write)
