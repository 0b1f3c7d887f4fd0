"""The key is shown to nobody but the server."""

import base64
import copy
import logging
import pickle
import time
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
    names = ("httpx", "httpcore.http11", "httpcore.connection")
    before = [[*logging.getLogger(name).filters] for name in names]
    with pytest.raises(DuneApiError):
        client.get_query(1)
    assert [logging.getLogger(name).filters for name in names] != before
    client.close()
    assert [logging.getLogger(name).filters for name in names] == before


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
    assert b"".join(ApiKey(KEY).redacted_stream(pieces)) == f"a********b,********{KEY[:9]}".encode() + b"\n" * 50


@given(
    st.lists(st.sampled_from([b"x" * 9, b"x" * 70_000, b"y" * 40, KEY.encode(), KEY.encode()[:9], KEY.encode()[9:]])),
    st.data(),
)
@settings(deadline=None)
def test_no_cut_of_a_stream_lets_it_through(parts, data):
    text = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = b"".join(ApiKey(KEY).redacted_stream(pieces))
    assert found == text.replace(KEY.encode(), b"********")


@pytest.mark.parametrize(
    "form",
    [KEY, "Zq7-very+secret\\/key=42", "Zq7-very%2Bsecret%2Fkey%3D42", "WnE3LXZlcnkrc2VjcmV0L2tleT00Mg"],
    ids=["plain", "JSON", "URL", "base64"],
)
def test_it_is_found_in_every_spelling(form):
    assert ApiKey(KEY).redacted(f"before {form} after") == "before ******** after"


SPELLINGS = {
    "capitals": KEY.upper(),
    "all of it in URL": "".join(f"%{ord(char):02X}" for char in KEY),
    "URL twice": quote(quote(KEY, safe=""), safe=""),
    "JSON's escapes": "".join(f"\\u{ord(char):04X}" for char in KEY),
    "JSON's escapes twice": "".join(f"\\\\u{ord(char):04x}" for char in KEY),
    "Python's escapes": "".join(f"\\x{ord(char):02x}" for char in KEY),
    "HTML's numbers": "".join(f"&#{ord(char)};" for char in KEY),
    "HTML's hex": "".join(f"&#x{ord(char):x};" for char in KEY),
    "JSON twice": KEY.replace("/", "\\\\/"),
    "hex": KEY.encode().hex(),
    "half of it in URL": quote(KEY[:12], safe="") + KEY[12:],
    "without its end": KEY[:-1],
    "its half": KEY[:12],
    "without its beginning": KEY[3:],
}


@pytest.mark.parametrize("form", SPELLINGS.values(), ids=SPELLINGS)
def test_it_is_found_in_spellings_of_servers_and_in_parts(form):
    assert ApiKey(KEY).redacted(f"before {form} after") == "before ******** after"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_it_is_found_in_base64_of_what_it_stands_in(before):
    text = base64.b64encode(f"{before}{KEY}\n".encode()).decode()
    told = ApiKey(KEY).redacted(text)
    assert "********" in told
    assert len(told.replace("*", "")) < len(before) * 4 / 3 + 8


def test_a_part_that_is_a_word_is_left_where_words_stand():
    assert ApiKey("emulator-key").redacted("POST /_emulator/release") == "POST /_emulator/release"


def test_the_search_takes_time_in_proportion():
    for hard in (KEY[:-1] * 20_000, "\\" * 500_000, "%" * 500_000, "&#" * 200_000):
        begin = time.process_time()
        ApiKey(KEY).redacted(hard)
        assert time.process_time() - begin < 10


def test_cookies_of_gateways_are_not_kept(odd, client):
    odd.answer = Odd(b"{echo}", head=b"HTTP/1.1 400 Bad", headers={"Set-Cookie": "session=seen; Path=/"})
    for _ in range(2):
        with pytest.raises(DuneApiError) as caught:
            client.whoami()
        assert "x-dune-api-key" in str(caught.value).lower()
        assert "session" not in str(caught.value)


def test_a_key_that_is_a_word_is_left_where_words_stand():
    assert ApiKey("key").redacted("the key of an account") == "the key of an account"
