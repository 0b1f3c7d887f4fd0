"""Every answer of every endpoint has exactly the fields that its state asks for."""

import jsonschema_rs
import pytest
from spec_schemas import CSV_OPERATIONS, ERROR, SCHEMAS
from spec_tour import exchanges


@pytest.fixture(scope="module")
def tour():
    return exchanges()


def test_answers_have_the_expected_status(tour):
    wrong = [
        (e.operation, e.response.request.url.query, e.expected, e.response.status_code, e.response.text[:200])
        for e in tour
        if e.response.status_code != e.expected
    ]
    assert wrong == []


def test_answers_have_the_fields_of_their_state(tour):
    for exchange in tour:
        schema = ERROR if exchange.expected >= 400 else SCHEMAS.get((exchange.operation, exchange.state))
        if schema is None:
            assert exchange.operation in CSV_OPERATIONS
            assert exchange.response.headers["content-type"].startswith("text/plain")
            continue
        problems = [str(error) for error in jsonschema_rs.iter_errors(schema, exchange.response.json())]
        assert problems == [], (exchange.operation, exchange.state, exchange.response.text)


def test_the_tour_visits_every_state_of_every_endpoint(tour):
    visited = {(exchange.operation, exchange.state) for exchange in tour if exchange.expected < 400}
    assert visited == SCHEMAS.keys() | {(operation, "") for operation in CSV_OPERATIONS}


def test_an_answer_with_a_field_too_many_or_too_few_is_seen():
    """The schemas are strict, each of them: an empty object never passes, and neither does an unknown field."""
    for schema in SCHEMAS.values():
        assert not jsonschema_rs.is_valid(schema, {})
        assert any("surprise" in str(error) for error in jsonschema_rs.iter_errors(schema, {"surprise": 1}))


def test_too_many_requests_say_how_long_to_wait(tour):
    refused = [exchange.response for exchange in tour if exchange.expected == 429]
    assert [1 <= int(response.headers["Retry-After"]) <= 60 for response in refused] == [True]
