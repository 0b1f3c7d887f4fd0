"""Reading a result page by page: in order, several pages at once, and never a smaller or another frame."""

import gzip
import json
import re
import threading
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from result_server import ResultServer
from waiting import PATIENCE

from dagster_dune import DuneApiClient, DuneConfigurationError, DuneResultError, DuneServerError
from dagster_dune.frames import targets
from dagster_dune.frames.pages import csv_pages, page_reader
from dagster_dune.frames.result_reader import ResultReader
from dagster_dune.frames.results import get_result
from dagster_dune.paging import execution_pages
from dagster_dune.paging.options import ReadOptions

NAMES, TYPES = ["n", "t"], ["bigint", "varchar"]
ROWS = [[str(n), None if n % 3 == 0 else f"text {n}"] for n in range(1, 101)]
VALUES = [[n, None if n % 3 == 0 else f"text {n}"] for n in range(1, 101)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(execution_pages, "MAX_DATAPOINTS", 20)  # 10 rows of 2 columns


@pytest.fixture
def server():
    with ResultServer(NAMES, TYPES, ROWS, VALUES) as running:
        yield running


def read(server, **options):
    with DuneApiClient("key", server.url, timeout=PATIENCE, max_retries=1) as client:
        reader = ResultReader(client, server.ID, ReadOptions(**options))
        return pa.Table.from_batches(reader.batches(), reader.schema), reader


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_pages_come_whole_and_in_order(server, wire):
    table, reader = read(server, wire=wire)
    assert table.to_pylist() == [dict(zip(NAMES, row, strict=True)) for row in VALUES]
    assert (reader.export.rows, reader.export.total_bytes) == (100, 1000)
    pages = [options for path, options in server.requests if "results" in path and "filters" not in options]
    assert sorted(int(options["offset"]) for options in pages) == list(range(0, 100, 10))


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_a_page_may_name_all_columns_of_its_result(server, wire):
    def name_all(path, options, answer):
        if path.endswith("/results"):
            page = json.loads(answer["body"])
            page["result"]["metadata"]["column_names"] = NAMES
            answer["body"] = json.dumps(page).encode()

    server.change = name_all
    table, _ = read(server, wire=wire)
    assert table["t"].to_pylist() == [row[1] for row in VALUES]
    assert read(server, wire=wire, columns=["t"])[0].to_pylist() == table.select(["t"]).to_pylist()


def test_several_pages_are_read_at_once_and_few_are_held(server):
    asked, release = [], threading.Event()

    def hold_back_the_first(path, options, answer):
        if "csv" in path:
            asked.append(int(options["offset"]))
            if options["offset"] == "0":
                release.wait(PATIENCE)

    server.change = hold_back_the_first
    with DuneApiClient("key", server.url) as client:
        reader = ResultReader(client, server.ID, ReadOptions(concurrency=3, exact=False))
        seen = []
        reads = threading.Thread(target=lambda: seen.extend(reader.batches()))
        reads.start()
        while len(asked) < 3:
            time.sleep(0.01)
        time.sleep(0.1)  # were there more, they would come now
        assert sorted(asked) == [0, 10, 20]
        release.set()
        reads.join(PATIENCE)
    assert [batch.column(0)[0].as_py() for batch in seen] == list(range(1, 101, 10))


def test_limit_and_columns_and_filters_are_asked_for(server):
    table, _ = read(server, columns=["t", "n"], limit=15, exact=False)
    assert table.schema.names == ["t", "n"]
    assert table.column("n").to_pylist() == list(range(1, 16))
    table, _ = read(server, filters="t = 'text 50'", sort_by="n desc", exact=False)
    assert table.to_pylist() == [{"n": 50, "t": "text 50"}]
    assert server.requests[-1][1]["sort_by"] == "n desc"


def test_filtered_pages_come_until_there_is_no_next():
    with ResultServer(["t"], ["varchar"], [["a"], ["b"]] * 50) as server:
        table, reader = read(server, filters="t = 'a'")
        assert table.column(0).to_pylist() == ["a"] * 50
        assert reader.expected_rows is None
        assert read(server, filters="t = 'a'", limit=23)[0].num_rows == 23
        assert read(server, filters="t = 'a'", wire="json")[0].num_rows == 50


def test_a_sample_is_read_at_once_as_json(server):
    table, _ = read(server, sample=7)
    assert table.num_rows == 7
    ((path, options),) = [request for request in server.requests if "results" in request[0]]
    assert (path, options) == ("/results", {"sample_count": "7"})


@pytest.mark.parametrize(
    "options",
    [
        {"sample": 3, "limit": 1}, {"sample": 3, "filters": "n = 1"}, {"limit": -1}, {"columns": []}, {"columns": "n"},
        {"sample": 3, "page_size": 2}, {"max_bytes": -1}, {"sample": 0}, {"concurrency": 0}, {"wire": "xml"},
        {"page_size": 0}, {"limit": "5"}, {"limit": 2.5}, {"limit": True}, {"max_bytes": "1 GB"}, {"filters": ["n"]},
        {"exact": "no"}, {"sort_by": 1}, {"concurrency": "2"}, {"allow_partial_results": 1}, {"sample": "3"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_before_any_request(options):
    with pytest.raises(DuneConfigurationError):
        ReadOptions(**options)


@pytest.mark.parametrize(
    "columns", [[1], [None], 5, True, b"n", [b"n"], (name for name in ["n"]), pl.DataFrame({"n": [1]})]
)
def test_columns_that_are_no_names_are_refused_before_any_request(columns):
    said = r"(?s)columns must be a list of names, not .*\['day', 'amount'\]"
    with pytest.raises(DuneConfigurationError, match=said):
        ReadOptions(columns=columns)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pl.Series, dict.fromkeys])
def test_names_of_columns_may_stand_in_any_kind_of_list(server, kind):
    assert ReadOptions(columns=kind(["t", "n"])).columns == ("t", "n")
    table, _ = read(server, columns=kind(["t", "n"]))
    assert table.column_names == ["t", "n"]
    with pytest.raises(DuneConfigurationError, match="at least one name"):
        ReadOptions(columns=kind([]))


@pytest.mark.parametrize(
    "name",
    [
        "uint256",
        "timestamps",
        "exact",
        "allow_partial_results",
        "ignore_max_credits_per_request",
        "concurrency",
        "wire",
    ],
)
def test_none_is_no_choice_where_something_else_is_the_default(name):
    default = re.escape(repr(getattr(ReadOptions(), name)))
    with pytest.raises(DuneConfigurationError, match=rf"{name} must not be None\. Leave it out for {default}"):
        ReadOptions(**{name: None})


def test_unknown_columns_are_refused_before_the_first_page(server):
    with pytest.raises(DuneResultError, match=r"no column 'x'.*n, t"):
        read(server, columns=["n", "x"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("columns", [["a"], ["a", "a"], ["b", "a"]])
def test_a_name_of_several_columns_chooses_none_of_them(columns):
    with ResultServer(["a", "b", "a"], ["varchar", "bigint", "bigint"], [["x", "1", "2"]]) as server:
        with pytest.raises(DuneConfigurationError, match=r"01JEXECUTION has several columns called 'a'.*in the SQL"):
            read(server, columns=columns)
        assert [path for path, _ in server.requests] == ["/status"]


def test_a_result_larger_than_max_bytes_is_refused_before_the_first_page(server):
    with pytest.raises(DuneResultError, match="1,000 bytes, more than max_bytes=999"):
        read(server, max_bytes=999)
    assert len(server.requests) == 1
    assert read(server, max_bytes=999, limit=99)[0].num_rows == 99
    server.bytes = None
    with pytest.raises(DuneResultError, match="does not say how large"):
        read(server, max_bytes=1)


def test_an_empty_result_has_its_columns():
    with ResultServer(NAMES, TYPES, []) as server:
        table, _ = read(server)
        assert (table.num_rows, table.schema.types) == (0, [pa.int64(), pa.string()])


def test_pages_shorter_than_asked_for_are_read_on():
    with ResultServer(NAMES, TYPES, ROWS, VALUES, max_rows=4) as server:
        assert read(server)[0].column(0).to_pylist() == list(range(1, 101))


def test_wide_rows_come_in_pages_of_fewer_rows(server):
    server.bytes = 100 * 2**20  # a row has a megabyte, so that eight of them are a page
    assert read(server, exact=False)[0].num_rows == 100
    assert {options["limit"] for path, options in server.requests if "results" in path} == {"8", "4"}


def test_pages_may_be_packed(server):
    def pack(path, options, answer):
        answer["body"] = gzip.compress(answer["body"])
        answer["headers"]["Content-Encoding"] = "gzip"

    server.change = pack
    assert read(server)[0].num_rows == 100


# --- states ---


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("QUERY_STATE_PENDING", "not begun yet"),
        ("QUERY_STATE_EXECUTING", "still running"),
        ("QUERY_STATE_FAILED", "boom"),
        ("QUERY_STATE_CANCELLED", "Execute the query again"),
        ("QUERY_STATE_EXPIRED", "expire 90 days"),
        ("QUERY_STATE_COMPLETED_PARTIAL", "allow_partial_results"),
        ("QUERY_STATE_NEW_WORD", "not known here"),
    ],
)
def test_a_result_that_is_not_there_is_an_error_that_says_why(server, state, words):
    server.state, server.is_finished = state, words not in ("not begun yet", "still running", "not known here")
    with pytest.raises(DuneResultError, match=words):
        read(server)
    assert len(server.requests) == 1


def test_a_partial_result_is_read_where_asked_for(server):
    server.state, server.total = "QUERY_STATE_COMPLETED_PARTIAL", 5000
    assert read(server, allow_partial_results=True)[0].num_rows == 100


def test_a_result_that_has_expired_is_an_error_that_says_so(server):
    def expired(path, options, answer):
        if "results" in path:
            answer.update(status=404, body=b'{"error": "not found"}')

    server.change = expired
    with pytest.raises(DuneResultError, match="expire 90 days"):
        read(server)


# --- pages that are not what they must be ---


def lose_a_row(path, options, answer):
    if options.get("offset") == "50":
        answer["body"] = answer["body"].rstrip(b"\n").rpartition(b"\n")[0] + b"\n"


def claim_the_end(path, options, answer):
    if options.get("offset") == "50":
        answer["headers"] = {}


def send_the_first_page_again(path, options, answer):
    if options.get("offset") == "50":
        answer["headers"]["x-dune-next-offset"] = 10


def send_another_execution(path, options, answer):
    if options.get("offset") == "50":
        uri = answer["headers"]["x-dune-next-uri"]
        answer["headers"]["x-dune-next-uri"] = uri.replace(ResultServer.ID, "01JOTHER")


def send_the_page_before_twice(path, options, answer):
    if options.get("offset") == "50":
        answer["body"] = answer["body"] + answer["body"].partition(b"\n")[2]


def go_on_after_the_end(path, options, answer):
    if options.get("offset") == "90":
        answer["headers"]["x-dune-next-offset"] = 100


def send_too_many(path, options, answer):
    if options.get("offset") == "90":
        answer["body"] += b"101,x\n"


@pytest.mark.parametrize(
    "fault",
    [
        lose_a_row,
        claim_the_end,
        send_the_first_page_again,
        send_another_execution,
        send_the_page_before_twice,
        go_on_after_the_end,
        send_too_many,
    ],
)
def test_a_wrong_page_is_an_error_and_never_another_frame(server, fault):
    server.change = fault
    with pytest.raises(DuneResultError, match=ResultServer.ID):
        read(server, wire="csv")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"total_row_count": 100', b'"total_row_count": 99', "had 100 rows, and has 99"),
        (ResultServer.ID.encode(), b"01JOTHER", "another execution"),
        (b'"n"', b'"m"', "the columns"),
        (b'"next_offset": 60', b'"next_offset": 10', "the next one begins at 10"),
        (b'"next_offset": 60', b'"next_uri": "https://api.dune.com/api/v1/execution/01JOTHER/results"', "01JOTHER"),
        (b'"rows"', b'"lines"', "the next one begins at 60"),
        (b'"result"', b'"results"', r"A page of execution 01JEXECUTION came without rows"),
        (b'"text 52"', b'"\\ud800"', "Column 't' holds a text that is no Unicode"),
    ],
)
def test_a_wrong_page_of_json_is_an_error(server, old, new, words):
    def replace(path, options, answer):
        if options.get("offset") == "50":
            answer["body"] = answer["body"].replace(old, new)

    server.change = replace
    with pytest.raises(DuneResultError, match=words):
        read(server, wire="json")


@pytest.mark.parametrize("following", [20, 30, 50])
def test_filtered_pages_that_leave_out_rows_or_come_twice_are_an_error(following):
    def go_elsewhere(path, options, answer):
        if options.get("offset") == "20":
            answer["headers"]["x-dune-next-offset"] = following

    with ResultServer(["t"], ["varchar"], [["a"]] * 70) as server:
        server.change = go_elsewhere
        with pytest.raises(DuneResultError, match="has 20 rows and says that the next one begins at"):
            read(server, filters="t = 'a'", columns=["t"])


def name_no_offset(path, options, answer):
    """Leave the address of the next page, without the number of its first row."""
    answer["headers"].pop("x-dune-next-offset", None)
    if path.endswith("/results"):
        page = json.loads(answer["body"])
        if page.pop("next_offset"):
            page["next_uri"] = f"https://api.dune.com/api/v1/execution/{ResultServer.ID}/results?offset=10"
        answer["body"] = json.dumps(page).encode()


@pytest.mark.parametrize("wire", ["csv", "json"])
@pytest.mark.parametrize("way", ["filters", "partial", "no total"])
def test_a_page_that_is_not_the_last_says_where_the_next_begins(server, wire, way):
    """Where pages come one by one, one that names no offset would count as the last."""
    server.change = name_no_offset
    options = {"wire": wire, "exact": False}
    if way == "filters":
        server.rows = lambda options: range(100)
        options["filters"] = "n > 0"
    elif way == "partial":
        server.state = "QUERY_STATE_COMPLETED_PARTIAL"
        options["allow_partial_results"] = True
    else:
        server.total = None
    with pytest.raises(DuneResultError, match=r"at row 0 of execution 01JEXECUTION names the address of a next one"):
        read(server, **options)
    assert read(server, limit=10, **options)[0].num_rows == 10


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_the_address_of_the_next_page_must_be_one(server, wire):
    def name_none(path, options, answer):
        answer["headers"]["x-dune-next-uri"] = "http://[bad"

    server.change = name_none
    with pytest.raises(
        DuneResultError, match=r"names 'http://\[bad' as the address of the next one, which is no address"
    ):
        read(server, wire=wire)


@pytest.mark.parametrize("following", ["10.0", '"ten"', "true", "[]"])
def test_where_the_next_page_begins_must_be_readable(server, following):
    def name_it(path, options, answer):
        answer["body"] = answer["body"].replace(b'"next_offset": 10', f'"next_offset": {following}'.encode())

    server.change, server.total = name_it, None
    with pytest.raises(DuneResultError, match=r"says that the next one begins at .*, which is no number of a row"):
        read(server, wire="json")


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_no_address_of_a_next_page_is_followed(server, wire):
    """Each page is asked for by its offset, so that the key goes to no other host, whatever the answer says."""
    with ResultServer(NAMES, TYPES, ROWS, VALUES) as elsewhere:

        def lead_astray(path, options, answer):
            uri = f"{elsewhere.url}/api/v1/execution/{server.ID}/results"
            if "x-dune-next-uri" in answer["headers"]:
                answer["headers"]["x-dune-next-uri"] = uri
            elif b'"next_offset": null' not in answer["body"]:
                answer["body"] = answer["body"].replace(
                    b'"next_offset"', f'"next_uri": "{uri}", "next_offset"'.encode()
                )

        server.change = lead_astray
        assert read(server, wire=wire)[0].num_rows == 100
        assert read(server, wire=wire, filters="t = 'text 50'")[0].num_rows == 1
        assert elsewhere.requests == []


def test_a_page_that_breaks_off_is_read_again_from_its_beginning(server):
    broken = []

    def break_off(path, options, answer):
        if options.get("offset") == "50" and not broken:
            broken.append(1)
            answer["length"], answer["body"] = len(answer["body"]), answer["body"][:25]

    server.change = break_off
    table, reader = read(server, exact=False)
    assert (broken, table.column("n").to_pylist()) == ([1], list(range(1, 101)))
    whole = sum(len(page) for page in (b"n,t\n", *[f"{n},{t or '<nil>'}\n".encode() for n, t in ROWS]))
    assert reader.export.bytes == whole + 9 * len(b"n,t\n")


@pytest.mark.parametrize("total", [100, None])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_page_that_ends_with_its_connection_may_have_lost_rows(server, encoding, total):
    """Where the number of rows is not known, nothing else would tell."""

    def break_off(path, options, answer):
        if path.endswith("/csv"):
            rows = answer["body"][: answer["body"].index(b"text 50") + 5]
            answer["body"], answer["length"] = gzip.compress(rows)[:-9] if encoding else rows, None
            answer["headers"] |= {"Content-Encoding": encoding} if encoding else {}

    server.change, server.total = break_off, total
    why = "its gzip ends too early" if encoding else "so that rows could be missing at its end"
    with pytest.raises(DuneServerError, match=why):
        read(server, filters="t = 'text 50'", exact=False)


def test_a_packed_page_may_end_with_its_connection(server):
    """Its gzip tells where it ends."""

    def pack(path, options, answer):
        if path.endswith("/csv"):
            answer["body"], answer["length"] = gzip.compress(answer["body"]), None
            answer["headers"]["Content-Encoding"] = "gzip"

    server.change = pack
    assert read(server, exact=False)[0].num_rows == 100


def test_pages_that_are_still_coming_are_left(server):
    def never_end(path, options, answer):
        if options.get("offset") not in (None, "0"):
            pieces = iter(lambda: never.wait(0.01) or b"1,text\n", None)
            answer |= {"length": 10**12, "rest": pieces}

    never, server.change = threading.Event(), never_end
    with DuneApiClient("key", server.url, max_retries=0) as client:
        batches = ResultReader(client, server.ID, ReadOptions(exact=False)).batches()
        assert next(batches).num_rows == 10
        batches.close()
    own = ("dune-pages", "dune-parser", "dune-asker")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(own)]


WAITING = {
    "before a repetition": {"status": 429, "body": b"{}", "headers": {"Retry-After": "50"}},
    "for the head of an answer": None,
    "for the rest of an answer": {"status": 200, "length": 1000},
}


@pytest.mark.parametrize("wire", ["csv", "json"])
@pytest.mark.parametrize("answered", WAITING.values(), ids=WAITING)
def test_what_waits_for_other_pages_ends_with_the_first_error(server, answered, wire):
    """Whether it waits to ask again or for an answer; and nothing is asked for after it."""
    others, done = threading.Event(), threading.Event()

    def change(path, options, answer):
        if "results" not in path or "filters" in options:
            return
        if options["offset"] == "0":
            assert others.wait(PATIENCE)
            answer["body"] = b'x\n1\n{"execution_id": "another", "result": {"rows": []}}'
        else:
            others.set()
            if answered is None:
                done.wait(PATIENCE)
            else:
                answer.update(answered)
                answer["rest"] = iter(lambda: done.wait(PATIENCE) and b"x", b"x") if "length" in answered else ()

    server.change = change
    with (
        DuneApiClient("key", server.url, timeout=PATIENCE, max_retries=5) as client,
        pytest.raises(DuneResultError, match="page"),
    ):
        list(ResultReader(client, server.ID, ReadOptions(wire=wire, concurrency=4)).batches())
    asked = len(server.requests)
    done.set()
    assert asked <= 5  # the status, and four pages, each once


def test_a_failed_page_is_read_again_and_no_other(server):
    failed = []

    def fail_once(path, options, answer):
        if options.get("offset") == "50" and not failed:
            failed.append(1)
            answer.update(status=503, body=b'{"error": "busy"}')

    server.change = fail_once
    assert read(server, exact=False)[0].num_rows == 100
    offsets = [options["offset"] for _, options in server.requests[1:]]
    assert sorted(offsets) == sorted([str(n) for n in range(0, 100, 10)] + ["50"])


def test_a_short_read_is_an_error(server):
    with DuneApiClient("key", server.url, timeout=PATIENCE) as client:
        reader = ResultReader(client, server.ID, ReadOptions())
        batches = reader.batches()
        next(batches)
        reader.export.rows -= 1  # as if one had not come
        with pytest.raises(DuneResultError, match="99 rows of execution 01JEXECUTION came, of 100"):
            list(batches)


def test_a_sample_of_fewer_rows_is_an_error(server):
    def change(path, options, answer):
        if "sample_count" in options:
            answer["body"] = server.answer(path, {"sample_count": "5"})["body"]

    server.change = change
    with pytest.raises(DuneResultError, match="5 rows of execution 01JEXECUTION came, of 7"):
        read(server, sample=7)


def test_a_sample_of_more_than_all_is_all(server):
    table, _ = read(server, sample=1000, ignore_max_credits_per_request=True)
    assert table.num_rows == 100


def test_a_sample_of_more_values_than_dune_gives_at_once_is_refused_before_the_request(server):
    """Dune cuts it short, and there is no next page of a sample."""
    hint = (
        r"of 11 rows of execution 01JEXECUTION has 22 values, and Dune gives 20 .*ignore_max_credits_per_request=True"
    )
    with pytest.raises(DuneConfigurationError, match=hint):
        read(server, sample=11)
    assert [path for path, _ in server.requests] == ["/status"]
    assert read(server, sample=11, columns=["n"])[0].num_rows == 11
    assert read(server, sample=11, ignore_max_credits_per_request=True)[0].num_rows == 11


def test_a_sample_of_more_rows_is_an_error(server):
    def give_all(path, options, answer):
        if options.pop("sample_count", None):
            answer["body"] = server.answer(path, options)["body"]

    server.change = give_all
    with pytest.raises(
        DuneResultError, match="A sample of 100 rows of execution 01JEXECUTION came, but 7 were asked for"
    ):
        read(server, sample=7)


def test_what_dune_does_not_know_or_describe_is_an_error(server):
    server.types = ["bigint"]
    with pytest.raises(
        DuneResultError, match="Dune names 2 columns and 1 type for the result of execution 01JEXECUTION"
    ):
        read(server)
    server.change = lambda path, options, answer: answer.update(status=404, body=b'{"error": "no"}')
    with pytest.raises(DuneResultError, match="Dune does not know execution 01JEXECUTION"):
        read(server)


# --- NULL, and the text <nil> ---


def test_null_and_the_text_nil_are_told_apart():
    texts = [["<nil>" if n == 57 else None if n % 2 else "x"] for n in range(100)]
    with ResultServer(["t"], ["varchar"], texts) as server:
        table, reader = read(server, filters=None)
        assert table.column(0).to_pylist() == [row[0] for row in texts]
        assert reader.export.extra_bytes > 0
        asked = [options for path, options in server.requests if "filters" in options]
        assert asked == [{"columns": "t", "filters": "t = '<nil>'", "limit": "1", "offset": "0"}]
        table, reader = read(server, exact=False)
        assert table.column(0)[57].as_py() is None
        assert reader.export.extra_bytes == 0


def test_texts_that_differ_between_the_formats_are_an_error():
    texts = [["<nil>" if n == 57 else None if n % 2 else "x"] for n in range(100)]
    with ResultServer(["t"], ["varchar"], texts) as server:

        def change_json(path, options, answer):
            if path.endswith("/results") and "filters" not in options:
                answer["body"] = answer["body"].replace(b'"x"', b'"y"')

        server.change = change_json
        with pytest.raises(DuneResultError, match="Column 't' of execution 01JEXECUTION differs between CSV and JSON"):
            read(server)


@pytest.mark.parametrize("page_size", [None, 1, 7, 50, 1000])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_they_are_told_apart_in_pages_that_are_shorter_than_they_were_asked_for(page_size, concurrency):
    texts = [[str(n), "<nil>" if n % 40 == 7 else None if n % 3 else "x", "a", "b"] for n in range(100)]
    with ResultServer(["n", "t", "a", "b"], ["bigint", *["varchar"] * 3], texts, max_values=100) as server:
        table, _ = read(server, page_size=page_size, concurrency=concurrency)
        assert table.column("t").to_pylist() == [row[1] for row in texts]
        table, _ = read(server, page_size=page_size, limit=60, concurrency=concurrency)
        assert table.column("t").to_pylist() == [row[1] for row in texts[:60]]


def test_where_no_text_is_nil_one_look_is_enough(server):
    _, reader = read(server)
    extra = [options for path, options in server.requests if path == "/results"]
    assert extra == [{"columns": "t", "filters": "t = '<nil>'", "limit": "1", "offset": "0"}]
    assert 0 < reader.export.extra_bytes < 300


def test_the_look_is_taken_while_the_page_still_comes():
    """At the first NULL, so that nobody waits for it after the last row."""
    texts = [["x" * 2**18 if n % 3 else None] for n in range(60)]
    looked, in_time = threading.Event(), []

    def rest_of(page):
        in_time.append(looked.wait(PATIENCE))
        yield page

    def change(path, options, answer):
        if "filters" in options:
            looked.set()
        elif path.endswith("/csv"):
            page = answer["body"]
            answer |= {"body": page[:-10], "length": len(page), "rest": rest_of(page[-10:])}

    with ResultServer(["t"], ["varchar"], texts) as server:
        server.change = change
        table, _ = read(server, page_size=20, concurrency=2)
        assert (table.column("t").to_pylist(), in_time) == ([row[0] for row in texts], [True] * 3)
        assert sum("filters" in options for _, options in server.requests) == 1


@pytest.mark.parametrize("in_json", ["other", ""])
def test_a_null_in_csv_is_null_or_the_text_nil_in_json_and_no_other(in_json):
    server = ResultServer(["t"], ["varchar"], [[None], ["a"], ["<nil>"]], [[in_json], ["a"], ["<nil>"]])
    with pytest.raises(DuneResultError, match="'t' of execution 01JEXECUTION differs between CSV and JSON"), server:
        read(server)


def test_a_text_in_csv_is_no_null_in_json():
    texts, values = [[None], ["a"], ["<nil>"]], [[None], [None], ["<nil>"]]
    server = ResultServer(["t"], ["varchar"], texts, values)
    with pytest.raises(DuneResultError, match="'t' of execution 01JEXECUTION differs between CSV and JSON"), server:
        read(server)


@pytest.mark.parametrize(
    ("name", "written"), [("order", '"order"'), ("TABLE", '"TABLE"'), ("a.b", '"a.b"'), ("t_1", "t_1")]
)
def test_the_look_names_the_column_as_sql_takes_it(name, written):
    with ResultServer(["n", name], TYPES, ROWS, VALUES) as server:
        read(server)
        looks = [options["filters"] for path, options in server.requests if path == "/results"]
        assert looks == [f"{written} = '<nil>'"]


def test_the_look_keeps_the_filters_of_the_caller():
    with ResultServer(["a b", "t"], ["varchar", "varchar"], [[None, "x"]] * 3) as server:
        server.rows = lambda options: range(0 if "nil" in options.get("filters", "") else 3)
        read(server, filters="t = 'x' OR t = 'y'")
        asked = [options["filters"] for _, options in server.requests if options.get("limit") == "1"]
        assert asked == ["(t = 'x' OR t = 'y') AND \"a b\" = '<nil>'"]


def test_where_the_look_is_refused_the_column_is_read_as_json():
    def refuse(path, options, answer):
        if "filters" in options:
            answer.update(status=400, body=b'{"error": "a geometry cannot be compared with a text"}')

    with ResultServer(["g"], ["geometry"], [["POINT (0 0)"], [None]]) as server:
        server.change = refuse
        with pytest.warns(UserWarning, match="geometry"):
            table, reader = read(server)
    assert table.column(0).to_pylist() == ["POINT (0 0)", None]
    assert reader.export.extra_bytes > 0


def test_without_null_there_is_no_look():
    with ResultServer(["t"], ["varchar"], [["x"]] * 3) as server:
        read(server)
        assert [path for path, _ in server.requests] == ["/status", "/results/csv"]


def test_a_name_that_is_not_its_own_cannot_be_looked_for():
    with ResultServer(["a", "a"], ["varchar", "varchar"], [["x", None]]) as server:
        with pytest.raises(DuneResultError, match=r'wire="json".*exact=False'):
            read(server)
        assert [c[0].as_py() for c in read(server, exact=False)[0].columns] == ["x", None]


def test_nested_types_are_read_as_json():
    with ResultServer(["a"], ["array(bigint)"], [["?"]], [[[1, None]]]) as server:
        assert read(server)[0].to_pylist() == [{"a": [1, None]}]
        assert [path for path, _ in server.requests] == ["/status", "/results"]
        with pytest.raises(DuneConfigurationError, match=r"'a' is array\(bigint\), whose form in CSV is not known"):
            read(server, wire="csv")


@pytest.mark.parametrize("as_", ["arrow", "polars"])
def test_what_a_frame_keeps_lies_where_nothing_else_does(monkeypatch, as_):
    pool = pa.proxy_memory_pool(pa.default_memory_pool())  # which counts apart
    for module in (page_reader, targets):
        monkeypatch.setattr(module, "FRAME_MEMORY", pool)
    monkeypatch.setattr(csv_pages, "BLOCK_BYTES", 2**15)  # several blocks a page, which are joined
    rows = [[str(n), "long text " * 2000] for n in range(40)]
    with ResultServer(NAMES, TYPES, rows, rows) as server, DuneApiClient("key", server.url) as client:
        frame = get_result(client, server.ID, as_=as_)
        assert pl.from_arrow(pa.table(frame)).rows() == [(int(n), text) for n, text in rows]
        assert pool.bytes_allocated() > 40 * 20_000
