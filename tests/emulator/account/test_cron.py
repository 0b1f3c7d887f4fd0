"""Which schedules of matviews are accepted."""

import pytest

from dagster_dune.emulator.account.cron import check_cron
from dagster_dune.emulator.requests import RequestError


@pytest.mark.parametrize(
    "expression",
    [
        "*/15 * * * *",
        "0 * * * *",
        "0 0 * * *",
        "30 6 * * 1",
        "0 0 * * 0",
        "0 0 * * 7",
        "0,15,30,45 8-18 * * 1-5",
        "0 0 1 * 1",
    ],
)
def test_schedules_that_dune_accepts(expression):
    check_cron(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "five fields"),
        ("0 0 * *", "five fields"),
        ("0 0 * * * *", "five fields"),
        ("* * * * *", "1 minutes apart"),
        ("*/14 * * * *", "minutes apart"),
        ("0,50 * * * *", "10 minutes apart"),
        ("0,55 0,23 * * *", "5 minutes apart"),
        ("0 0 1 * *", "more than a week"),
        ("0 0 * 1 *", "more than a week"),
        ("0 0 30 2 *", "more than a week"),
        ("60 * * * *", "no minute"),
        ("0 24 * * *", "no hour"),
        ("0 0 * * 8", "no day of week"),
        ("0 5-3 * * *", "no hour"),
        ("0 0 * * MON", "no day of week"),
        ("@daily", "five fields"),
    ],
)
def test_schedules_that_dune_refuses(expression, words):
    with pytest.raises(RequestError, match=words):
        check_cron(expression)
