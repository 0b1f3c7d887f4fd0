"""The key is shown to nobody but the server."""

import copy
import logging
import pickle
import traceback

import pytest
from odd_server import Odd
from waiting import PATIENCE

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneApiError
from dagster_dune.api.key import ApiKey
from dagster_dune.errors import DuneConfigurationError

KEY = "Zq7-very+secret/key=42"


@pytest.fixture
def client(odd):
    with DuneApiClient(KEY, odd.url, timeout=PATIENCE, max_retries=0) as opened:
        yield opened


@pytest.mark.parametrize(
    "answer",
    [
        Odd(b"{echo}", head=b"HTTP/1.1 200 OK", headers={"X-Request": "{echo}", "Set-Cookie": "seen={echo}"}),
        Odd(b"{echo}", head=b"HTTP/1.1 500 {echo}"),
        Odd(b"{}", head=b"HTTP/1.1 200 OK", headers={"Content-Length": "{echo}"}),
        Odd(b"{echo}", head=b"{echo}"),
    ],
)
def test_no_log_holds_it_at_any_level(odd, client, caplog, answer):
    odd.answer = answer
    with (
        caplog.at_level(logging.DEBUG, logger="httpx"),
        caplog.at_level(logging.DEBUG, logger="httpcore"),
        pytest.raises(DuneApiError),
    ):
        client.get_query(1)
    assert "send_request_headers" in caplog.text
    assert KEY not in caplog.text


def test_another_client_of_httpx_is_left_alone(odd, client, caplog):
    assert not client.base_url.endswith("/")
    with pytest.raises(DuneApiError):
        client.get_query(1)
    client.close()
    assert not any(logging.getLogger(name).filters for name in ("httpx", "httpcore.http11", "httpcore.connection"))


@pytest.mark.parametrize("dump", [pickle.dumps, copy.deepcopy])
def test_what_holds_it_is_not_pickled(client, dump):
    for holder in (client, ApiKey(KEY)):
        with pytest.raises(TypeError) as caught:
            dump(holder)
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_no_attribute_shows_it(client):
    assert KEY not in repr([client, vars(client), ApiKey(KEY)])


@pytest.mark.parametrize(
    "key", [7, b"Zq7-very-secret", ["Zq7-very-secret"], None, "Zq7-very-secr\u00e9t", " Zq7-very-secret"]
)
def test_a_key_of_a_wrong_kind_is_refused_and_not_told(key):
    with pytest.raises(DuneConfigurationError) as caught:
        DuneApiClient(key)
    assert "Zq7" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_it_is_found_where_a_stream_cuts_it(size):
    text = f"a{KEY}b,{KEY}{KEY[:9]}".encode() + b"\n" * 50
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert b"".join(ApiKey(KEY).blotted_stream(pieces)) == f"a********b,********{KEY[:9]}".encode() + b"\n" * 50


@pytest.mark.parametrize(
    "form",
    [KEY, "Zq7-very+secret\\/key=42", "Zq7-very%2Bsecret%2Fkey%3D42", "WnE3LXZlcnkrc2VjcmV0L2tleT00Mg"],
    ids=["plain", "JSON", "URL", "base64"],
)
def test_it_is_found_in_every_spelling(form):
    assert ApiKey(KEY).blotted(f"before {form} after") == "before ******** after"


def test_a_key_that_is_a_word_is_left_where_words_stand():
    assert ApiKey("key").blotted("the key of an account") == "the key of an account"
