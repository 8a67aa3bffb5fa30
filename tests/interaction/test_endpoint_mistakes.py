"""Keys, addresses, proxies and certificates that cannot work are told in one line; a key is written nowhere."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from babylm.config.interaction import InteractionConfig
from babylm.config.teaching import EndpointConfig, check_endpoint, key_of
from babylm.interaction import teachers
from babylm.interaction.teachers._http import JsonClient, retry_after
from tests.interaction import openai_server as servers
from tests.interaction.openai_server import Server, says

KEY = 'my-own-"key"/0123456789'


def endpoint_of(url="http://127.0.0.1:1/v1", key_variable=""):
    return EndpointConfig(url=url, model="tiny", key_variable=key_variable)


def teacher(server, folder=None):
    config = InteractionConfig(teacher="endpoint")
    config.endpoint = endpoint_of(server.url, "MY_KEY")
    config.endpoint.retries = 0
    made = teachers.build(config)
    if folder is not None:
        made.open(folder)
    return made


# Keys


@pytest.mark.parametrize(
    "key",
    ["sk-abc\ndefSECRET", "sk-abc defSECRET", "sk-abc\tdefSECRET", "sk-äöüSECRET", "sk-\x7fSECRET", "\u200bSECRET"],
    ids=["line break", "space", "tab", "letters", "control", "invisible"],
)
def test_a_key_that_no_request_can_carry_is_refused_and_not_shown(monkeypatch, key):
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(ValueError, match=r"interaction.endpoint.key_variable=MY_KEY: .*copy the key anew") as told:
        key_of(endpoint_of(key_variable="MY_KEY"), "interaction.endpoint")
    assert "SECRET" not in str(told.value)


def test_white_space_around_a_key_is_left_out(monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\r\n")
    assert key_of(endpoint_of(key_variable="MY_KEY"), "interaction.endpoint") == KEY


def repeated_key(form):
    """Answers with the header that came."""
    return lambda handler, body, number: handler.send(servers.chat(form(handler.headers["Authorization"])))


@pytest.mark.parametrize(
    "form",
    [str, quote, json.dumps, lambda header: header.removeprefix("Bearer ")],
    ids=["plain", "in an address", "in a string", "key alone"],
)
def test_a_key_that_an_answer_repeats_is_stored_nowhere(tmp_path, monkeypatch, form):
    monkeypatch.setenv("MY_KEY", KEY)
    with Server(repeated_key(form)) as server:
        (answer,) = teacher(server, tmp_path).complete(["the dog"], 0)
    assert "***" in answer
    stored = (tmp_path / "replies.jsonl").read_text()
    assert "0123456789" not in answer + stored


@pytest.mark.parametrize("before", [0, 150, 170, 185, 199, 1990])
@pytest.mark.parametrize("code", [400, 500, 200])
def test_a_key_is_replaced_before_an_error_is_cut(monkeypatch, before, code):
    monkeypatch.setenv("MY_KEY", KEY)

    def refuses(handler, body, number):
        filled = b" " * before if before > 1000 else b"x" * before
        handler.send(filled + handler.headers["Authorization"].encode(), code)

    with Server(refuses) as server, pytest.raises(ValueError, match=r"interaction.endpoint: ") as told:
        teacher(server).score(["x"], ["y"], 0)
    assert "my-own" not in str(told.value)


def test_a_short_key_is_a_word_and_stays_in_answers(monkeypatch):
    monkeypatch.setenv("MY_KEY", "none")
    with Server(says("there is none .")) as server:
        assert teacher(server).complete(["the dog"], 0) == ["there is none ."]


# Addresses


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://999.1.1.1/v1", "999.1.1.1 is no name or address of a host"),
        ("http://127.1/v1", "is no name or address"),
        ("http://..", "is no name or address"),
        ("http://../v1", "is no name or address"),
        (f"http://{'a' * 70}/v1", "is no name or address"),
        (f"http://{'a.' * 130}b/v1", "is no name or address"),
        ("http://a%41/v1", "is no name or address"),
        ("http://[127.0.0.1]/v1", "must be like|is no name or address"),
        ("http://[::1/v1", "IPv6"),
        ("http://a\x01b/v1", r"holds U\+0001"),
        ("http://a b/v1", r"holds U\+0020"),
        ("http://127.0.0.1:1/v1\n", r"holds U\+000A"),
        ("http://\u202e/v1", r"holds U\+202E"),
        ("http://bücher.example/v1", r"holds U\+00FC.*xn--"),
        ("http://127.0.0.1:1/v1#frag", "must be like .* a fragment"),
        ("http://127.0.0.1:1/v1#", "must be like"),
        ("http://127.0.0.1:1/v1?", "must be like"),
        ("http://@127.0.0.1:1/v1", "must be like"),
    ],
)
def test_addresses_that_nothing_can_be_sent_to_are_refused(url, message):
    with pytest.raises(ValueError, match=rf"^endpoint.url: .*({message})"):
        check_endpoint(endpoint_of(url), "endpoint")


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000/v1", "https://api.example.org./v1/", "http://[::1]:8000/v1", "http://10.0.0.7", "http://vllm_1/v1"],
)  # fmt: skip
def test_addresses_of_servers_are_taken(url):
    check_endpoint(endpoint_of(url))


def test_an_address_that_only_the_client_refuses_is_one_line_too():
    client = JsonClient("http://xn--\u00e9/v1", "", 1.0, 0, 1)
    with pytest.raises(ValueError, match=r"interaction.endpoint: .*nothing can be sent to this address"):
        client.post("chat/completions", {}, str)


# What a server or the environment says


@pytest.mark.parametrize(
    "value",
    [
        "Thu, 01 Jan 99999999999 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 +99999999999",
        "Thu, 32 Jan 2026 00:00:00 GMT",
        "nan",
        "",
    ],
)
def test_a_time_that_no_clock_has_says_nothing(value):
    assert retry_after(value, now=0.0) in (None, 0.0)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", r"SOCKS proxy \(.*ALL_PROXY.*pip install socksio"),
        ("ALL_PROXY", "garbage://u:SECRET@x", r"a proxy whose address is wrong \(.*ALL_PROXY"),
        ("HTTPS_PROXY", "http://999.1.1.1:1", r"a proxy whose address is wrong \(.*HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/nonexistent", r"certificates .* \(SSL_CERT_FILE\) cannot be read"),
        ("SSL_CERT_FILE", "/tmp", r"certificates .* \(SSL_CERT_FILE\) cannot be read"),
    ],
)
def test_what_the_environment_says_is_named_before_anything_begins(monkeypatch, variable, value, message):
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, value)
    config = InteractionConfig(teacher="endpoint")
    config.endpoint = endpoint_of("https://api.example.org/v1")
    with pytest.raises(ValueError, match=rf"interaction.endpoint: .*{message}") as told:
        teachers.build(config)
    assert "SECRET" not in str(told.value)
    config.endpoint = endpoint_of("http://127.0.0.1:1/v1")
    teachers.build(config)  # nothing of it is for this machine's ports
