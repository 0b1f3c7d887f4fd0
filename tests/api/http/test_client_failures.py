"""What the client does when Dune fails: which requests it repeats, and what it says."""

import json
import socket
import threading
import time
import traceback

import pytest
from waiting import PATIENCE

from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import (
    AmbiguousSubmission,
    DuneBadRequestError,
    DuneConnectionError,
    DuneCreditsExhaustedError,
    DuneNotFoundError,
    DunePermissionError,
    DuneRateLimitError,
    DuneServerError,
)
from dagster_dune.errors import DuneConfigurationError

KEY = "a-very-secret-key"
PIPELINE = models.Pipeline(
    nodes=(models.PipelineNode(id=1, query_execution=models.QueryExecution(query_id=1)),),
)
SUBMITTED = (200, '{"pipeline_execution_id": "01HKZJ2683PHF9Q9PHHQ8FW4Q1"}')
USAGE = (200, '{"billing_periods": []}')
SUBMISSIONS = {
    "execute_pipeline": lambda client: client.execute_pipeline(PIPELINE),
    "execute_lineage": lambda client: client.execute_lineage(1),
    "execute_query_pipeline": lambda client: client.execute_query_pipeline(1, "medium"),
    "upsert_materialized_view": lambda client: client.upsert_materialized_view("result_x", 1),
    "refresh_materialized_view": lambda client: client.refresh_materialized_view("dune.acme.result_x"),
    "create_query": lambda client: client.create_query("x", "SELECT 1"),
    "execute_query": lambda client: client.execute_query(1),
    "execute_sql": lambda client: client.execute_sql("SELECT 1"),
}
REFUSALS = {
    400: DuneBadRequestError,
    402: DuneCreditsExhaustedError,
    403: DunePermissionError,
    404: DuneNotFoundError,
    422: DuneBadRequestError,
}


FOREIGN = {
    "get_execution_status": (lambda client: client.get_execution_status("01JMINE"), '{"execution_id": "01JOTHER"}'),
    "get_execution_results": (lambda client: client.get_execution_results("01JMINE"), '{"execution_id": "01JOTHER"}'),
    "get_query": (lambda client: client.get_query(1), '{"query_id": 2}'),
}


@pytest.fixture
def client(faulty):
    with DuneApiClient(KEY, faulty.url, timeout=PATIENCE, max_retries=1) as opened:
        yield opened


@pytest.fixture
def impatient_client(faulty):
    """A client that gives an answer up soon, and asks often enough that a busy machine answers once in time."""
    with DuneApiClient(KEY, faulty.url, timeout=0.3, max_retries=20) as opened:
        yield opened


def error(status, message="the reason", headers=()):
    return status, json.dumps({"error": message}), headers


@pytest.mark.parametrize("call", SUBMISSIONS.values(), ids=SUBMISSIONS)
@pytest.mark.parametrize("reply", ["reset", error(503), error(500), (200, "no JSON"), (200, "{}")])
def test_a_submission_without_a_usable_answer_is_sent_once(client, faulty, call, reply):
    faulty.replies = [reply]
    with pytest.raises(AmbiguousSubmission) as caught:
        call(client)
    assert len(faulty.requests) == 1
    assert "not sent again" in caught.value.hint
    assert_no_key_in(caught.value)


def test_a_submission_that_times_out_is_sent_once(impatient_client, faulty):
    faulty.replies = ["silence"]
    with pytest.raises(AmbiguousSubmission, match="ReadTimeout"):
        impatient_client.execute_pipeline(PIPELINE)
    assert len(faulty.requests) == 1


def test_a_submission_is_repeated_after_429(client, faulty):
    faulty.replies = [error(429), SUBMITTED]
    assert client.execute_pipeline(PIPELINE).pipeline_execution_id == "01HKZJ2683PHF9Q9PHHQ8FW4Q1"
    assert faulty.requests == ["POST /api/v1/pipelines/execute"] * 2


def test_retry_after_is_honoured(client, faulty):
    faulty.replies = [error(429, headers={"Retry-After": "1"}), SUBMITTED]
    begin = time.monotonic()
    client.execute_pipeline(PIPELINE)
    assert time.monotonic() - begin >= 1


def test_too_many_requests_for_too_long(client, faulty):
    faulty.replies = [error(429), error(429, "slower", {"Retry-After": "7"})]
    with pytest.raises(DuneRateLimitError) as caught:
        client.get_query(1)
    assert caught.value.retry_after == 7
    assert len(faulty.requests) == 2


@pytest.mark.parametrize("reply", [error(503), "reset"])
def test_reads_are_repeated(client, faulty, reply):
    faulty.replies = [reply, USAGE]
    assert client.get_usage().billing_periods == ()
    assert len(faulty.requests) == 2


def test_reads_that_time_out_are_repeated(impatient_client, faulty):
    faulty.replies = ["silence", USAGE]
    assert impatient_client.get_usage().billing_periods == ()
    assert len(faulty.requests) >= 2


def test_reads_are_not_repeated_for_ever(client, faulty):
    faulty.replies = [error(503, "down for a while")]
    with pytest.raises(DuneServerError, match="down for a while") as caught:
        client.get_query(1)
    assert (caught.value.status, len(faulty.requests)) == (503, 2)
    assert_no_key_in(caught.value)


def test_a_read_without_any_answer_is_a_connection_error(client, faulty):
    faulty.replies = ["reset"]
    with pytest.raises(DuneConnectionError) as caught:
        client.get_query(1)
    assert (caught.value.status, len(faulty.requests)) == (None, 2)
    assert_no_key_in(caught.value)


@pytest.mark.parametrize(("status", "kind"), REFUSALS.items())
@pytest.mark.parametrize("call", [SUBMISSIONS["execute_pipeline"], lambda client: client.get_query(1)])
def test_a_refusal_is_final_and_carries_everything(client, faulty, status, kind, call):
    faulty.replies = [error(status)]
    with pytest.raises(kind) as caught:
        call(client)
    refused = caught.value
    assert type(refused) is kind
    assert (refused.status, refused.dune_message) == (status, "the reason")
    assert faulty.requests == [f"{refused.method} {refused.path}"]
    assert refused.hint
    assert refused.hint in str(refused)
    assert "the reason" in str(refused)
    assert_no_key_in(refused)


@pytest.mark.parametrize(
    ("call", "kind"),
    [(SUBMISSIONS["execute_pipeline"], AmbiguousSubmission), (lambda client: client.get_query(1), DuneServerError)],
)
def test_redirects_are_not_followed(client, faulty, call, kind):
    faulty.replies = [(307, "", {"Location": faulty.url + "/elsewhere"})]
    with pytest.raises(kind, match="redirect"):
        call(client)
    assert len(faulty.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        *(error(status) for status in (303, 405, 408, 409, 410, 425, 451, 499, 502)),
        *((status, body) for status in (400, 403, 404, 422, 429) for body in ("<html>", "", '{"message": "no"}')),
    ],
)
def test_only_dunes_own_refusals_say_that_nothing_was_started(client, faulty, reply):
    faulty.replies = [reply]
    with pytest.raises(AmbiguousSubmission) as caught:
        client.execute_pipeline(PIPELINE)
    assert caught.value.status == reply[0]
    assert len(faulty.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_gateways_refusal_of_a_read_says_nothing_about_the_object(client, faulty, status):
    faulty.replies = [(status, "<html><title>Blocked &amp; logged</title>")]
    with pytest.raises(DuneServerError, match="an HTML page titled 'Blocked & logged'") as caught:
        client.get_query(1)
    assert "not Dune's answer" in caught.value.hint


def test_the_next_uri_is_not_followed(client, faulty):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.setblocking(False)
        page = {"result": {"rows": [{"n": 1}]}, "next_offset": 1}
        elsewhere = f"http://127.0.0.1:{stranger.getsockname()[1]}/steal"
        faulty.replies = [
            (200, json.dumps(page | {"next_uri": elsewhere})),
            (200, json.dumps({"result": {"rows": []}})),
        ]
        assert len(list(client.iter_execution_pages("x", page_size=1))) == 2
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert faulty.requests == [
        "GET /api/v1/execution/x/results?limit=1&offset=0",
        "GET /api/v1/execution/x/results?limit=1&offset=1",
    ]


def test_pages_that_lead_nowhere_end(client, faulty):
    faulty.replies = [(200, json.dumps({"result": {"rows": [{"n": 1}]}, "next_offset": 0}))]
    assert len(list(client.iter_execution_pages("x"))) == 1


def test_a_port_that_opens_late_is_tried_again(free_port):
    accepted = []

    def open_late():
        time.sleep(0.05)
        with socket.create_server(("127.0.0.1", free_port)) as listener:
            connection, _ = listener.accept()
            with connection:
                accepted.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n" + b'{"pipeline_execution_id":"x"}')

    server = threading.Thread(target=open_late)
    server.start()
    with DuneApiClient(KEY, f"http://127.0.0.1:{free_port}", timeout=PATIENCE, max_retries=100) as client:
        assert client.execute_pipeline(PIPELINE).pipeline_execution_id == "x"
    server.join()
    assert len(accepted) == 1


@pytest.mark.parametrize("call", [SUBMISSIONS["execute_pipeline"], lambda client: client.get_query(1)])
def test_a_closed_port_is_a_connection_error_and_nothing_was_started(free_port, call):
    with (
        DuneApiClient(KEY, f"http://127.0.0.1:{free_port}", max_retries=0) as client,
        pytest.raises(DuneConnectionError) as caught,
    ):
        call(client)
    assert not isinstance(caught.value, AmbiguousSubmission)
    assert_no_key_in(caught.value)


def test_answers_may_hold_more_and_less_than_documented(client, faulty):
    faulty.replies = [(200, '{"status": "pending", "node_executions": null, "new_field": 1}'), (200, "{}")]
    assert client.get_pipeline_status("x").node_executions == ()
    assert client.get_pipeline_status("x") == models.PipelineStatus()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": ""}, "empty"),
        ({"api_key": "   "}, "empty"),
        ({"api_key": "key\nX-Other: 1"}, "characters"),
        ({"base_url": "http://api.dune.com"}, "unencrypted"),
        ({"base_url": "https://user:word@api.dune.com"}, "scheme, host"),
        ({"base_url": "ftp://api.dune.com"}, "not an http"),
        ({"base_url": "api.dune.com"}, "not an http"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
    ],
)
def test_wrong_settings_are_refused_before_any_request(settings, words):
    with pytest.raises(DuneConfigurationError, match=words):
        DuneApiClient(**({"api_key": KEY} | settings))


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def assert_no_key_in(caught):
    """Look into everything that a log or a debugger would print of an exception and of its causes."""
    chain = [caught]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    texts = ["".join(traceback.format_exception(caught))]
    texts += [text for link in chain for text in (str(link), repr(link), repr(vars(link)))]
    assert not any(KEY in text for text in texts)


def test_a_text_that_no_address_can_hold_is_named(client, faulty):
    with pytest.raises(
        DuneConfigurationError, match=r"GET /api/v1/execution/01X/results cannot be written as a request"
    ):
        client.get_execution_results("01X", filters="\ud800")
    assert faulty.requests == []


def test_a_proxy_that_needs_another_package_is_named(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.delenv("https_proxy", raising=False)
    words = r"The proxy .* cannot be used: .*httpx\[socks\], or name another"
    with DuneApiClient(KEY) as client, pytest.raises(DuneConfigurationError, match=words):
        client.whoami()


@pytest.mark.parametrize(
    "proxy", ["ftp://u:pa55word@proxy:1", "http://u:80pa55word/x@proxy:1", "http://proxy:port", "://proxy"]
)
def test_what_is_no_address_of_a_proxy_is_refused_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("https_proxy", raising=False)
    with DuneApiClient(KEY) as client, pytest.raises(DuneConfigurationError, match="such as http://proxy") as refused:
        client.whoami()
    assert "pa55word" not in "".join(traceback.format_exception(refused.value))


def test_a_proxy_may_be_named_without_a_scheme(monkeypatch):
    asked = []

    def refuse(listening):
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = threading.Thread(target=refuse, args=[listening])
        proxy.start()
        monkeypatch.setenv("HTTPS_PROXY", f"u:p@127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.delenv("https_proxy", raising=False)
        with DuneApiClient(KEY, max_retries=0) as client, pytest.raises(DuneConnectionError):
            client.whoami()
        proxy.join(PATIENCE)
    assert asked[0].startswith(b"CONNECT api.dune.com:443")
    assert b"Proxy-Authorization: Basic " in asked[0]


@pytest.mark.parametrize(("call", "body"), FOREIGN.values(), ids=FOREIGN)
def test_an_answer_about_another_object_is_an_error(faulty, client, call, body):
    faulty.replies = [(200, body)]
    with pytest.raises(DuneServerError, match=r"it is about (01JOTHER|2), not about") as caught:
        call(client)
    assert "a proxy may keep answers" in caught.value.hint


def test_an_answer_may_write_an_execution_in_small_letters(faulty, client):
    faulty.replies = [(200, '{"execution_id": "01jmine"}')]
    assert client.get_execution_status("01JMINE").execution_id == "01jmine"
