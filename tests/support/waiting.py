"""How tests wait: for a condition, for as long as a machine may need that has much else to do.

Nothing is judged by how long it took. Waiting ends when the condition holds, so that patience costs a failing test
alone.
"""

import time

PATIENCE = 900  # seconds
PAUSES = (0.01, 0.5)  # seconds between two looks: the first, and the longest


def wait_until(read, is_good=bool, patience=PATIENCE):
    """Read again and again until what is read is good, and return it."""
    deadline = time.monotonic() + patience
    pause, longest = PAUSES
    while not is_good(seen := read()):
        assert time.monotonic() < deadline, f"still {seen!r} after {patience} s"
        time.sleep(pause)
        pause = min(1.3 * pause, longest)
    return seen


def finished(client, execution_id):
    """Wait until an execution has ended, and return its status."""
    return wait_until(lambda: client.get_execution_status(execution_id), lambda status: status.is_execution_finished)


def finished_over(http, execution_id):
    """The same over plain HTTP, where the status is a document."""
    path = f"/execution/{execution_id}/status"
    return wait_until(lambda: http.get(path).json(), lambda status: status["is_execution_finished"])


def let_work(seconds):
    """Wait until this process has had so many seconds of a processor: what runs in other threads of it has begun."""
    enough = time.process_time() + seconds
    wait_until(time.process_time, lambda spent: spent >= enough)
