"""The threads that pages share, and how they end."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import wait_until

from dagster_dune.frames.pages.page_threads import PageThreads


def test_the_parser_ends_though_the_wait_for_a_question_is_interrupted():
    threads, answer = PageThreads(), threading.Event()
    parser = threads.parser.run(0, threading.current_thread)
    threads.asker.start(answer.wait)

    def interrupt():
        wait_until(threads.asker._is_left.is_set)
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as presser:
        presser.submit(interrupt)
        try:
            with pytest.raises(KeyboardInterrupt), threads:
                pass
            wait_until(lambda: not parser.is_alive())
        finally:
            answer.set()
