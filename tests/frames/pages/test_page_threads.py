"""The threads that pages share, and how they end."""

import threading

import pytest
from waiting import wait_until

from dagster_dune.frames.pages.page_threads import PageThreads


def test_the_parser_ends_though_the_wait_for_a_question_is_interrupted(monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    threads = PageThreads()
    parser = threads.parser.run(0, threading.current_thread)
    monkeypatch.setattr(threads.lookup_pool, "shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt), threads:
        pass
    wait_until(lambda: not parser.is_alive())
