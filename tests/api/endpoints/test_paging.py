"""Lists and results that are read page by page."""

import json

import pytest
from waiting import PATIENCE

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneServerError
from dagster_dune.errors import DuneConfigurationError

LISTS = {
    "list_materialized_views": ("materialized_views", "sql_id"),
    "list_uploads": ("tables", "full_name"),
}
COUNTED = {"list_queries": ("queries", "id"), "list_datasets": ("datasets", "full_name")}


@pytest.fixture
def client(faulty):
    with DuneApiClient("a-key", faulty.url, timeout=PATIENCE, max_retries=0) as opened:
        yield opened


def page(**fields):
    return 200, json.dumps(fields)


@pytest.mark.parametrize(("method", "fields"), LISTS.items())
@pytest.mark.parametrize("end", [{}, {"next_offset": None}, {"next_offset": 0}])
def test_a_list_ends_with_its_last_page(client, faulty, method, fields, end):
    items, name = fields
    faulty.replies = [page(**{items: [{name: "a"}], "next_offset": 1}), page(**{items: [{name: "b"}]}, **end)]
    assert [getattr(item, name) for item in getattr(client, method)()] == ["a", "b"]


@pytest.mark.parametrize(("method", "fields"), LISTS.items())
@pytest.mark.parametrize("following", [1, 5, -1])
def test_an_offset_that_does_not_grow_is_an_error(client, faulty, method, fields, following):
    items, name = fields
    faulty.replies = [
        page(**{items: [{name: "a"}], "next_offset": 5}),
        page(**{items: [{name: "b"}], "next_offset": following}),
    ]
    with pytest.raises(DuneServerError, match=f"the page at offset 5 says that the next one starts at {following}"):
        list(getattr(client, method)())
    assert len(faulty.requests) == 2


@pytest.mark.parametrize(("method", "fields"), (LISTS | COUNTED).items())
def test_a_list_without_an_end_is_an_error(client, monkeypatch, method, fields):
    items, name = fields
    asked = []

    def endless(answer, http_method, path, params=None, **_):
        asked.append(params["offset"])
        content = {items: [{name: 7}], "next_offset": params["offset"] + 1, "total": 10**12}
        return answer.model_validate(content)

    monkeypatch.setattr(client._transport, "send", endless)
    with pytest.raises(DuneServerError, match="still another page after 1000"):
        for _ in getattr(client, method)():
            pass
    assert len(asked) == 1000


def test_a_result_whose_page_is_empty_and_has_a_successor_is_an_error(client, faulty):
    faulty.replies = [page(result={"rows": [{"n": 1}]}, next_offset=1), page(result={"rows": []}, next_offset=2)]
    with pytest.raises(DuneServerError, match="has no rows, and yet another comes after it"):
        list(client.iter_execution_pages("x"))


@pytest.mark.parametrize(("method", "fields"), COUNTED.items())
def test_an_item_that_cannot_be_read_is_counted_all_the_same(client, faulty, method, fields):
    items, name = fields
    faulty.replies = [
        page(**{items: [{name: 1}, {"odd": True}], "total": 3})
        if name == "id"
        else page(**{items: [{name: "1"}, {"odd": True}], "total": 3}),
        page(**{items: [{name: 3 if name == "id" else "3"}], "total": 3}),
    ]
    assert [str(getattr(item, name)) for item in getattr(client, method)()] == ["1", "3"]
    assert [request.split("offset=")[1].split("&")[0] for request in faulty.requests] == ["0", "2"]


def test_pages_have_rows(client):
    with pytest.raises(DuneConfigurationError, match="page_size must be at least 1, not 0"):
        list(client.iter_execution_pages("01EXECUTION", page_size=0))
