"""Nothing that comes from outside decides where a request goes or what its headers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.model.errors import ConfigurationError, Outcome, ProtocolMismatchError, ValidationError
from purveyor.model.values import Secret
from purveyor.wire import BearerAuth, link_params, path

from ._server import answer, once


@pytest.mark.parametrize(
    ("part", "coded"),
    [
        (7, "7"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("..a", "..a"),
        ("é", "%C3%A9"),
        ("%2e%2e", "%252e%252e"),
        ("a@b?c#d", "a%40b%3Fc%23d"),
    ],
)
def test_a_part_of_a_path_stays_one_part(part, coded):
    assert path("/v2/droplets/{}/actions", part) == f"/v2/droplets/{coded}/actions"


@pytest.mark.parametrize("part", ["", ".", "..", "a\r\nb", "a\nb", "a\0b", "\ud800"])
def test_what_cannot_be_a_part_of_a_path_is_refused(part):
    with pytest.raises(ValidationError):
        path("/v2/droplets/{}", part)


@given(st.text(min_size=1))
def test_no_part_leaves_its_place(part):
    try:
        filled = path("/v2/{}/end", part)
    except ValidationError:
        return
    assert filled.count("/") == 3
    assert filled.isascii()
    assert filled.isprintable()


@pytest.mark.parametrize(
    "wanted",
    ["", "v2", "//evil", "///evil", "https://evil/", "/v2@evil", "@evil", "\\\\evil", "/\\evil", "/v2/../x", "/v2/%2e%2E/x", "/v2/..",
     "/./x", "/v2\r\nHost: evil", "/v2\0", "/v2 x", "/v2?page=2", "/v2#x", "/é"],
)  # fmt: skip
async def test_a_path_that_is_more_than_a_path_is_not_sent(ask, serve, wanted):
    server = await serve(once(answer()))
    error = await ask.error(ask.client(server.url), "GET", wanted)
    assert (type(error), error.outcome, error.provider) == (ValidationError, Outcome.NOT_SENT, "do-ams")
    assert server.peers == []
    assert ask.call.exchanges == []


@pytest.mark.parametrize(
    ("prefix", "target"), [("", "/v2/a%2Fb"), ("/", "/v2/a%2Fb"), ("/api/v4/", "/api/v4/v2/a%2Fb")]
)
async def test_a_path_goes_below_the_base_url_as_it_is(ask, serve, prefix, target):
    server = await serve(once(answer()))
    await ask.client(server.url + prefix).request(
        ask.call, "get", "/v2/a%2Fb", params={"page": 2, "tag": "a b&c/d"}
    )
    assert (server.arrivals[0].method, server.arrivals[0].target) == (
        "GET",
        f"{target}?page=2&tag=a%20b%26c%2Fd",
    )


async def test_a_request_carries_its_json_and_headers(ask, serve):
    server = await serve(once(answer()))
    client = ask.client(server.url, headers={"X-All": "1"})
    await client.request(ask.call, "POST", "/", json={"name": "é"}, headers={"X-One": "2"})
    (arrival,) = server.arrivals
    assert arrival.body == '{"name":"é"}'.encode()
    expected = {
        "content-type": "application/json",
        "x-all": "1",
        "x-one": "2",
        "authorization": "Bearer canary-token",
    }
    assert arrival.headers.items() >= expected.items()


async def test_a_request_without_a_body_claims_no_type(ask, serve):
    server = await serve(once(answer()))
    await ask.client(server.url).request(ask.call, "POST", "/")
    assert "content-type" not in server.arrivals[0].headers


async def test_a_token_may_have_another_header_and_no_scheme(ask, serve):
    server = await serve(once(answer()))
    auth = BearerAuth(Secret("canary-token"), scheme="", header="X-Api-Key")
    await ask.client(server.url, auth=auth).request(ask.call, "GET", "/")
    assert server.arrivals[0].headers["x-api-key"] == "canary-token"
    assert "authorization" not in server.arrivals[0].headers


async def test_no_header_of_a_request_displaces_the_credential(ask, serve):
    server = await serve(once(answer()))
    await ask.client(server.url).request(ask.call, "GET", "/", headers={"authorization": "Bearer other"})
    assert server.arrivals[0].headers["authorization"] == "Bearer canary-token"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-B: b"},
        {"X-A": "a\nb"},
        {"X-A": "a\0"},
        {"X-A\r\n": "a"},
        {"X A": "a"},
        {"": "a"},
        {"X-A": "é"},
    ],
)
async def test_a_header_that_could_become_two_is_not_sent(ask, serve, headers):
    server = await serve(once(answer()))
    assert type(await ask.error(ask.client(server.url), headers=headers)) is ValidationError
    assert server.peers == []


def test_a_token_with_a_line_break_is_refused_without_being_shown():
    with pytest.raises(ValidationError) as caught:
        BearerAuth(Secret("canary-token\n"))
    assert "Authorization" in caught.value.message
    assert "canary" not in caught.value.message


async def test_a_method_is_a_word(ask, serve):
    server = await serve(once(answer()))
    assert type(await ask.error(ask.client(server.url), "GET / HTTP/1.1\r\n")) is ValidationError


@pytest.mark.parametrize(
    "url", ["http://api.example.com", "http://10.0.0.1:8080", "http://[::2]", "HTTP://127.0.0.1.evil.example"]
)
async def test_a_token_does_not_travel_in_the_open(ask, url):
    with pytest.raises(ConfigurationError, match=r"base_url.*https://") as caught:
        ask.client(url)
    assert caught.value.field == "base_url"


@pytest.mark.parametrize(
    "url", ["https://api.example.com", "http://localhost:1", "http://127.0.0.9", "http://[::1]:80/v2"]
)
async def test_a_token_may_travel_encrypted_or_stay_on_this_machine(ask, url):
    ask.client(url)


async def test_what_needs_no_token_may_be_asked_in_the_open(ask):
    ask.client("http://api.example.com", auth=None)


@pytest.mark.parametrize(
    "url",
    ["", "api.example.com", "ftp://x", "https://", "https://user:canary@x", "https://@x", "https://x?a=b", "https://x#a",
     "https://x:99999", "https://x\\@y", "https://x y", "https://x\r\n", "https://[x", "https://é.example"],
)  # fmt: skip
async def test_a_base_url_that_is_more_than_an_origin_and_a_prefix_is_refused(ask, url):
    with pytest.raises(ConfigurationError) as caught:
        ask.client(url)
    assert caught.value.field == "base_url"
    assert "canary" not in caught.value.message


def test_a_link_gives_its_parameters_and_nothing_else():
    url = "http://evil.example/other?page=2&per_page=200&tag_name=a%20b&empty="
    assert link_params(url) == {"page": "2", "per_page": "200", "tag_name": "a b", "empty": ""}
    assert link_params("https://api.example.com/v2/droplets") == {}


@pytest.mark.parametrize("url", ["http://[", "?" + "a=1&" * 1000])
def test_a_link_that_cannot_be_read_is_a_mismatch(url):
    with pytest.raises(ProtocolMismatchError):
        link_params(url)
