"""What a server, a gateway or a proxy may do to the client: nothing but be told, in bounded time and memory."""

import base64
import contextlib
import gzip
import html
import json
import pickle
import re
import resource
import socket
import time
import traceback
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import quote, unquote

import pytest
from odd_server import Odd, OddServer
from waiting import wait_until

from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError, DuneConnectionError, DuneServerError
from dagster_dune.api.http import bodies

KEY = "Zq7-very+secret/key=42"
PIPELINE = models.Pipeline(nodes=(models.PipelineNode(id=1, query_execution=models.QueryExecution(query_id=1)),))
COLUMNS = [models.TableColumn(name="n", type="integer")]


def read_csv(stream):
    with stream as pieces:
        return list(pieces)


METHODS = {
    "execute_pipeline": lambda client: client.execute_pipeline(PIPELINE),
    "execute_lineage": lambda client: client.execute_lineage(1),
    "get_pipeline_status": lambda client: client.get_pipeline_status("x"),
    "get_query_pipeline": lambda client: client.get_query_pipeline(1),
    "execute_query_pipeline": lambda client: client.execute_query_pipeline(1),
    "list_materialized_views": lambda client: list(client.list_materialized_views()),
    "get_materialized_view": lambda client: client.get_materialized_view("dune.acme.result_x"),
    "upsert_materialized_view": lambda client: client.upsert_materialized_view("result_x", 1),
    "delete_materialized_view": lambda client: client.delete_materialized_view("dune.acme.result_x"),
    "refresh_materialized_view": lambda client: client.refresh_materialized_view("dune.acme.result_x"),
    "list_queries": lambda client: list(client.list_queries()),
    "get_query": lambda client: client.get_query(1),
    "create_query": lambda client: client.create_query("x", "SELECT 1"),
    "update_query": lambda client: client.update_query(1, name="x"),
    "archive_query": lambda client: client.archive_query(1),
    "unarchive_query": lambda client: client.unarchive_query(1),
    "make_query_private": lambda client: client.make_query_private(1),
    "make_query_public": lambda client: client.make_query_public(1),
    "execute_query": lambda client: client.execute_query(1),
    "execute_sql": lambda client: client.execute_sql("SELECT 1"),
    "get_execution_status": lambda client: client.get_execution_status("x"),
    "cancel_execution": lambda client: client.cancel_execution("x"),
    "get_execution_results": lambda client: client.get_execution_results("x"),
    "get_query_results": lambda client: client.get_query_results(1),
    "iter_execution_pages": lambda client: list(client.iter_execution_pages("x")),
    "download_execution_results": lambda client: client.download_execution_results("x").body,
    "read_execution_csv": lambda client: client.read_execution_csv("x", list),
    "stream_execution_csv": lambda client: read_csv(client.stream_execution_csv("x")),
    "stream_query_csv": lambda client: read_csv(client.stream_query_csv(1)),
    "list_uploads": lambda client: list(client.list_uploads()),
    "create_upload": lambda client: client.create_upload("acme", "x", COLUMNS),
    "upload_csv": lambda client: client.upload_csv("x", "n\n1\n", answer_seconds=0),
    "insert_rows": lambda client: client.insert_rows("acme", "x", "n\n1\n", answer_seconds=0),
    "clear_upload": lambda client: client.clear_upload("acme", "x"),
    "delete_upload": lambda client: client.delete_upload("acme", "x"),
    "list_datasets": lambda client: list(client.list_datasets()),
    "get_dataset": lambda client: client.get_dataset("dex.trades"),
    "search_datasets": lambda client: list(client.search_datasets("dex")),
    "search_datasets_by_contract": lambda client: list(client.search_datasets_by_contract("0x0")),
    "whoami": lambda client: client.whoami(),
    "get_usage": lambda client: client.get_usage(),
}
SUBMISSIONS = {
    name for name in METHODS if name.startswith(("execute", "upsert", "refresh", "create", "upload", "insert"))
}
V1 = "/api/v1"
EXECUTION, QUERY, MATVIEW = f"{V1}/execution/x", f"{V1}/query/1", f"{V1}/materialized-views/dune.acme.result_x"
REQUESTS = {
    "execute_pipeline": f"POST {V1}/pipelines/execute",
    "execute_lineage": f"POST {V1}/pipelines/execute",
    "get_pipeline_status": f"GET {V1}/pipelines/executions/x/status",
    "get_query_pipeline": f"GET {QUERY}/pipeline",
    "execute_query_pipeline": f"POST {QUERY}/pipeline/execute",
    "list_materialized_views": f"GET {V1}/materialized-views",
    "get_materialized_view": f"GET {MATVIEW}",
    "upsert_materialized_view": f"POST {V1}/materialized-views",
    "delete_materialized_view": f"DELETE {MATVIEW}",
    "refresh_materialized_view": f"POST {MATVIEW}/refresh",
    "list_queries": f"GET {V1}/queries",
    "get_query": f"GET {QUERY}",
    "create_query": f"POST {V1}/query",
    "update_query": f"PATCH {QUERY}",
    "archive_query": f"POST {QUERY}/archive",
    "unarchive_query": f"POST {QUERY}/unarchive",
    "make_query_private": f"POST {QUERY}/private",
    "make_query_public": f"POST {QUERY}/unprivate",
    "execute_query": f"POST {QUERY}/execute",
    "execute_sql": f"POST {V1}/sql/execute",
    "get_execution_status": f"GET {EXECUTION}/status",
    "cancel_execution": f"POST {EXECUTION}/cancel",
    "get_execution_results": f"GET {EXECUTION}/results",
    "get_query_results": f"GET {QUERY}/results",
    "iter_execution_pages": f"GET {EXECUTION}/results",
    "download_execution_results": f"GET {EXECUTION}/results/csv",
    "read_execution_csv": f"GET {EXECUTION}/results/csv",
    "stream_execution_csv": f"GET {EXECUTION}/results/csv",
    "stream_query_csv": f"GET {QUERY}/results/csv",
    "list_uploads": f"GET {V1}/uploads",
    "create_upload": f"POST {V1}/uploads",
    "upload_csv": f"POST {V1}/uploads/csv",
    "insert_rows": f"POST {V1}/uploads/acme/x/insert",
    "clear_upload": f"POST {V1}/uploads/acme/x/clear",
    "delete_upload": f"DELETE {V1}/uploads/acme/x",
    "list_datasets": f"GET {V1}/datasets",
    "get_dataset": f"GET {V1}/datasets/dex.trades",
    "search_datasets": f"POST {V1}/datasets/search",
    "search_datasets_by_contract": f"POST {V1}/datasets/search-by-contract",
    "whoami": "GET /api/whoami",
    "get_usage": f"POST {V1}/usage",
}
STREAMS = {"download_execution_results", "read_execution_csv", "stream_execution_csv", "stream_query_csv"}


def status(line, body=b"", **headers):
    return Odd(body, b"HTTP/1.1 " + line, headers={name.replace("_", "-"): value for name, value in headers.items()})


def ok(body, **headers):
    return status(b"200 OK", body, **headers)


LOGIN = b"<!DOCTYPE html><html><head><title>Hotel WiFi</title></head><body>{echo}</body></html>"
DEEP = b'{"error": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BOMB = zlib.compress(bytes(200_000_000), 9, wbits=31)

ODDITIES = {
    # --- no answer, or half of one ---
    "hangs up at once": Odd(head=b"", body=b""),
    "hangs up in the status line": Odd(head=b"HTTP/1.1 2"),
    "silence": Odd(head=b"", close=False),
    "silence after the head": Odd(headers={"Content-Length": "10"}, close=False),
    "half a body": ok(b'{"error', Content_Length="1000"),
    "half a chunk": ok(b"ff\r\n{", Transfer_Encoding="chunked"),
    "a chunk of no length": ok(b"zz\r\n{}", Transfer_Encoding="chunked"),
    "half a gzip": ok(gzip.compress(b"{}" * 1000)[:-20], Content_Encoding="gzip"),
    "drips the head": Odd(drip=0.05),
    "drips the body": Odd(b'{"status": "executing"' + b" " * 10_000 + b"}", drip=0.05),
    "drips chunks": Odd(b"1\r\n \r\n" * 10_000, headers={"Transfer-Encoding": "chunked"}, drip=0.05),
    "drips headers for ever": Odd(b"X: y\r\n" * 10_000, head=b"HTTP/1.1 200 OK\r\nA: b", drip=0.05),
    "a chunk and no end": ok(b"2\r\n{}\r\n", Transfer_Encoding="chunked"),
    "an old server that hangs up too early": Odd(b'{"status"', head=b"HTTP/1.0 200 OK\r\nContent-Length: 100"),
    "a length that is too short": ok(b'{"status": "executing"}', Content_Length="9"),
    # --- no HTTP ---
    "another protocol": Odd(b"220 mail.example.com ESMTP", head=b""),
    "binary": Odd(bytes(range(256)) * 4, head=b""),
    "an unknown version": Odd(b"[]", head=b"HTTP/9.9 200 OK"),
    "a status that is no number": Odd(b"{}", head=b"HTTP/1.1 OK OK"),
    "a status of 999": status(b"999 Odd", b"{}"),
    "a header without a colon": Odd(b"{}", head=b"HTTP/1.1 200 OK\r\nnonsense"),
    "a header of 200 kB": ok(b"{}", X="y" * 200_000),
    "a header with a line break": Odd(b"{}", head=b"HTTP/1.1 200 OK\r\nX: a\rb"),
    "two lengths": Odd(b"{}", head=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3"),
    "a length that is no number": ok(b"{}", Content_Length="two"),
    "a length below zero": ok(b"{}", Content_Length="-1"),
    "switches protocols": status(b"101 Switching Protocols", Upgrade="websocket", Connection="Upgrade"),
    "hints, and no answer": Odd(head=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 2"),
    "hints before a failure": Odd(b"no", head=b"HTTP/1.1 103 Early Hints\r\nA: {echo}\r\n\r\nHTTP/1.1 502 Bad"),
    "trailers with an echo": status(b"400 Bad", b"2\r\nno\r\n0\r\nX-Seen: {echo}\r\n\r\n", Transfer_Encoding="chunked"),
    # --- not for us ---
    "no content with a body": status(b"204 No Content", b'{"status": "executing"}'),
    "not modified": status(b"304 Not Modified", b""),
    "a redirect to another host": status(b"308 Permanent Redirect", b"", Location="https://elsewhere.example.com/x"),
    "an empty answer": ok(b""),
    "no content": status(b"204 No Content"),
    "blanks": ok(b" \r\n\t "),
    "a login page": ok(LOGIN, Content_Type="text/html"),
    "a login page that says it is JSON": ok(LOGIN),
    "a redirect to a login": status(b"302 Found", b"", Location="https://login.example.com/?key={echo}"),
    "a redirect to itself": status(b"307 Temporary Redirect", b"", Location="/api/v1/query/1"),
    "a redirect to nowhere": status(b"301 Moved", b""),
    "a captive portal": status(b"511 Network Authentication Required", LOGIN),
    "a proxy that wants a password": status(b"407 Proxy Authentication Required", LOGIN),
    "a firewall": status(b"403 Forbidden", LOGIN),
    "a wrong address": status(b"404 Not Found", LOGIN),
    "an echo": status(b"400 Bad Request", b'{"error": "bad header in {echo}"}'),
    "an echo in a success": ok(b'{"error": "bad header in {echo}"}'),
    "an echo that breaks off": ok(b"seen {echo} and " * 9, Content_Length="99999"),
    "an echo that breaks off within the key": ok(f"seen {KEY} and {KEY[:-1]}".encode(), Content_Length="99999"),
    "an echo in headers": status(b"502 Bad Gateway", b"no", X_Request="{echo}", Server="{echo}"),
    "an echo in the status line": status(b"500 {echo}", b"{}"),
    "an echo behind escapes": status(
        b"400 Bad Request",
        json.dumps({"error": "".join(f"\\u{ord(c):04x}" for c in KEY)}).encode().replace(b"\\\\", b"\\"),
    ),
    "an echo in capitals": status(b"400 Bad Request", json.dumps({"error": f"SEEN {KEY.upper()}"}).encode()),
    "an echo in a URL, twice": status(b"400 Bad Request", json.dumps({"error": quote(quote(KEY))}).encode()),
    "an echo in every escape of a URL": status(b"502 Bad", "".join(f"%{ord(c):02x}" for c in KEY).encode()),
    "an echo in HTML's numbers": status(
        b"502 Bad", ("<html><title>" + "".join(f"&#{ord(c)};" for c in KEY) + "</title>").encode()
    ),
    "an echo in JSON within JSON": status(
        b"400 Bad Request", json.dumps({"error": json.dumps(KEY).replace("/", "\\/")}).encode()
    ),
    "an echo in a password's base64": status(b"401 No", base64.b64encode(f"user:{KEY}\n".encode())),
    "an echo in hex": status(b"400 Bad Request", json.dumps({"error": KEY.encode().hex().upper()}).encode()),
    "an echo that was cut short": status(b"400 Bad Request", json.dumps({"error": f"key {KEY[:-3]}..."}).encode()),
    "an echo without its beginning": status(b"400 Bad Request", json.dumps({"error": f"...{KEY[3:]}"}).encode()),
    "an echo in UTF-16": status(b"400 Bad Request", f"bad key {KEY}".encode("utf-16")),
    "a teapot": status(b"418 I'm a teapot", b"short and stout"),
    # --- no JSON, or not the one ---
    "a text": ok(b"upstream connect error"),
    "a list": ok(b"[1]"),
    "null": ok(b"null"),
    "NaN": ok(b"NaN"),
    "hex": ok(b'{"status": 0x10}'),
    "a comment": ok(b'/* */ {"status": "executing"}'),
    "a comma too many": ok(b'{"status": "executing",}'),
    "an object and NUL": ok(b'{"status": "executing"}\0'),
    "a mark and no more": ok(b"\xef\xbb\xbf"),
    "a number": ok(b"42"),
    "two objects": ok(b"{}{}"),
    "half an object": ok(b'{"status": "exec'),
    "a deep list": ok(b"[" * 100_000),
    "a deep error": status(b"400 Bad Request", DEEP),
    "a deep error in a success": ok(DEEP),
    "a number of a million digits": ok(b'{"error": ' + b"9" * 1_000_000),
    "bytes that are no UTF-8": ok(b'{"error": "\xff\xfe"}'),
    "UTF-16": ok('{"status": "executing"}'.encode("utf-16")),
    "a lone surrogate": ok(b'{"error": "\\ud800"}'),
    "NUL": ok(b"\x00" * 100),
    "an error that is a number": status(b"400 Bad Request", b'{"error": 7}'),
    "an error that is empty": status(b"400 Bad Request", b'{"error": ""}'),
    "an error with control characters": status(b"400 Bad Request", b'{"error": "\\u001b[2J\\r\\nERROR forged line"}'),
    # --- odd encodings ---
    "charset idna": status(b"400 Bad Request", b"\xff" * 80, Content_Type="text/html; charset=idna"),
    "charset undefined": status(b"400 Bad Request", b"\xff", Content_Type="text/html; charset=undefined"),
    "charset base64": ok(b"\xff", Content_Type="application/json; charset=base64"),
    "an encoding that nobody asked for": ok(b"\x1b\x03\x00\xf8", Content_Encoding="br"),
    "gzip that is none": ok(b"{}", Content_Encoding="gzip"),
    "zstd": ok(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd"),
    "two encodings": ok(gzip.compress(gzip.compress(b"{}")), Content_Encoding="gzip, gzip"),
    "charset utf-7": status(b"400 Bad Request", b"+ADw-no+AD4-", Content_Type="text/plain; charset=utf-7"),
    # --- odd waits ---
    "wait ²": status(b"429 Too Many", b'{"error": "slow"}', Retry_After="²"),
    "wait for ages": status(b"429 Too Many", b'{"error": "slow"}', Retry_After="9" * 400),
    "wait less than nothing": status(b"503 Unavailable", b'{"error": "slow"}', Retry_After="-60"),
    "wait until the year 9999": status(b"429 Too Many", b"", Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
    "wait until the 99th": status(b"429 Too Many", b"slow", Retry_After="Sun, 99 Foo 99999 99:99:99 XYZ"),
}
LARGE = {
    "a body without an end": Odd(b" " * 2**20, endless=True),
    "a gzip bomb": ok(BOMB, Content_Encoding="gzip"),
    "chunks without an end": Odd(
        b"100000\r\n" + b" " * 2**20 + b"\r\n", headers={"Transfer-Encoding": "chunked"}, endless=True
    ),
    "an error without an end": Odd(b"x" * 2**20, head=b"HTTP/1.1 500 Oops", endless=True),
    "headers without an end": Odd(b"X: y\r\n" * 100_000, head=b"HTTP/1.1 200 OK\r\nA: b", endless=True),
}
FINE_AS_CSV = {  # what a CSV may be, and JSON not; where nothing came, it is an empty one
    "an unknown version", "a text", "a list", "null", "a number", "two objects", "half an object", "a deep list",
    "a deep error in a success", "a number of a million digits", "bytes that are no UTF-8", "UTF-16",
    "a lone surrogate", "NUL", "charset base64", "an echo in a success", "a length that is too short", "NaN", "hex",
    "a comment", "a comma too many", "an object and NUL", "a mark and no more",
}  # fmt: skip


FINE = {  # an `error` is a field of these answers
    (method, oddity)
    for method in (
        "get_pipeline_status",
        "get_execution_status",
        "get_execution_results",
        "get_query_results",
        "iter_execution_pages",
    )
    for oddity in ("an echo in a success", "a deep error in a success", "a lone surrogate")
}
BOUND_SECONDS = 200
"""More than they need all together on a busy machine, and far less than what a drip would take."""


@pytest.fixture(scope="module")
def server():
    running = OddServer()
    yield running
    running.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"])
def test_the_server_ends_with_a_client_that_hangs_up_early(begun):
    with contextlib.closing(OddServer()) as server:
        with socket.create_connection(server.listener.getsockname()) as connection:
            connection.sendall(begun)
        wait_until(lambda: [thread for thread in server.threads if thread.ident])
        assert server.settled_requests() == []


class TestOddAnswers:
    """Every oddity to every method."""

    @pytest.mark.parametrize("oddity", ODDITIES)
    def test_it_becomes_an_error_of_our_own(self, server, oddity):
        odd = server.answer = ODDITIES[oddity]
        is_slow = bool(odd.drip) or not odd.close
        begin = time.monotonic()
        with (
            DuneApiClient(KEY, server.url, timeout=0.5 if is_slow else BOUND_SECONDS / 2, max_retries=0) as client,
            ThreadPoolExecutor(len(METHODS)) as pool,  # a drip to one method after another would take minutes
        ):
            ends = dict(zip(METHODS, pool.map(partial(end_of, client), METHODS.values()), strict=True))
        assert time.monotonic() - begin < BOUND_SECONDS
        requests = Counter(server.settled_requests())
        assert is_slow or requests == Counter(REQUESTS.values())
        problems = {method: problem for method, end in ends.items() if (problem := problem_with(method, oddity, end))}
        assert not problems

    @pytest.mark.parametrize("oddity", LARGE)
    @pytest.mark.parametrize("method", ["get_pipeline_status", "execute_pipeline", "list_queries", "whoami"])
    def test_it_takes_no_more_memory_than_an_answer_may_have(self, server, method, oddity):
        server.answer = LARGE[oddity]
        with DuneApiClient(KEY, server.url, timeout=20, max_retries=0) as client:
            before = peak_bytes()
            with pytest.raises(DuneApiError) as caught:
                METHODS[method](client)
        assert peak_bytes() - before < 4 * bodies.MAX_ANSWER_BYTES
        assert not leak_in(caught.value)


def end_of(client, call):
    """What a call returns or raises."""
    try:
        return call(client)
    except Exception as error:
        return error


def problem_with(method, oddity, end):
    """What is wrong with how a method took an oddity; None if nothing is."""
    if isinstance(end, BaseException):
        checks = {
            "raises no error of ours": not isinstance(end, DuneApiError),
            "does not name its request": f"{getattr(end, 'method', '')} {getattr(end, 'path', '')}" != REQUESTS[method],
            "does not say what to do": not getattr(end, "hint", ""),
            "is no line for people": not str(end).isprintable() or len(str(end)) > 5000,
            "says that nothing was started": method in SUBMISSIONS and not may_have_started(end),
            "shows the key": leak_in(end),
        }
    else:
        checks = {
            "returns": not (oddity in FINE_AS_CSV if method in STREAMS else (method, oddity) in FINE),
            "shows the key": shows_key(repr(end)),
        }
    return next((f"{problem}: {end!r}" for problem, is_one in checks.items() if is_one), None)


def may_have_started(error):
    """Whether an error leaves open, as it must, what became of a request; or says rightly that it was refused."""
    was_refused = error.status in (400, 429) and not isinstance(error, DuneServerError)
    never_sent = isinstance(error, DuneConnectionError) and not error.was_sent
    return isinstance(error, AmbiguousSubmission) or was_refused or never_sent


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def leak_in(error):
    """Look into all that a log, a debugger or a tracker of errors would tell of an exception."""
    seen, ahead = [], [error]
    while ahead:
        link = ahead.pop()
        seen.append(link)
        ahead += [other for other in (link.__cause__, link.__context__) if other is not None and other not in seen]
    texts = {f"{type(link).__name__}.{name}": repr(value) for link in seen for name, value in vars(link).items()}
    texts |= {f"str({type(link).__name__})": f"{link} {link!r}" for link in seen}
    texts["the traceback"] = "".join(traceback.format_exception(error))
    texts["the pickle"] = pickle.dumps(error).decode("latin-1")
    for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
        texts |= {f"{name} in {frame.name}": value for name, value in (frame.locals or {}).items()}
    return next((f"the key is in {where}: {text}" for where, text in texts.items() if shows_key(text)), None)


def shows_key(text):
    """Whether somebody who undoes what servers do to texts finds the key, or most of it."""
    read = unquote(unquote(html.unescape(text)))
    read = re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), read)
    read = re.sub(r"[\\\s\0]", "", read).lower()
    decoded = [read]
    for word in re.findall(r"[A-Za-z0-9+/]{16,}", text):
        for start in range(4):
            part = word[start : start + (len(word) - start) // 4 * 4]
            with contextlib.suppress(ValueError):
                decoded.append(base64.b64decode(part).decode("latin-1").lower())
        with contextlib.suppress(ValueError):
            decoded.append(bytes.fromhex(word).decode("latin-1").lower())
    key = KEY.lower()
    return any(part in reading for reading in decoded for part in (key[:-8], key[8:]))
