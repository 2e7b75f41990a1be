import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from relay.http.addresses import AddressPolicy
from relay.http.url import CheckedUrl, InvalidUrl, check_url, judge_urls

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ssrf.json").read_text(encoding="utf-8")
)["vectors"]
CLOSED = AddressPolicy()
LOOPBACK = AddressPolicy(allow_cidrs=("127.0.0.0/8",))
INSIDE = AddressPolicy(allow_cidrs=("10.0.0.0/8",))


def check(url: str, policy: AddressPolicy = CLOSED, **options: Any) -> CheckedUrl:
    return check_url(url, **{"allow_http": True, "policy": policy, **options})


def reason_of(url: str, policy: AddressPolicy = CLOSED, **options: Any) -> str:
    with pytest.raises(InvalidUrl) as invalid:
        check(url, policy, **options)
    assert str(invalid.value)
    return invalid.value.reason


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['id']} {vector['note']}")
def test_every_vector_is_judged_right(vector: dict[str, Any]) -> None:
    (verdict,) = judge_urls([vector["url"]], allow_http=True, policy=CLOSED)
    assert verdict.allowed == (vector["at_registration"] == "allow"), verdict
    assert (verdict.reason is None) == verdict.allowed
    assert verdict.url == vector["url"]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/A/b", "https://example.com/A/b"),
        ("http://example.com:80/", "http://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com:8443?a=b", "https://example.com:8443/?a=b"),
        ("https://example.com./x", "https://example.com/x"),
        ("https://example.com/x?", "https://example.com/x"),
        ("https://bücher.de/hook", "https://xn--bcher-kva.de/hook"),
        ("https://BÜCHER.de/", "https://xn--bcher-kva.de/"),
        ("https://faß.de/", "https://xn--fa-hia.de/"),
        ("https://r3---sn-x.example.net/", "https://r3---sn-x.example.net/"),
        ("https://example.com/é?q=é", "https://example.com/%C3%A9?q=%C3%A9"),
        ("https://example.com/%2e%2E/a%2Fb", "https://example.com/%2e%2E/a%2Fb"),
        ('https://example.com/"<>^`{|}', "https://example.com/%22%3C%3E%5E%60%7B%7C%7D"),
        ("https://example.com/a/../b//c", "https://example.com/a/../b//c"),
        ("https://example.com/a:b@c;d=e,f(g)", "https://example.com/a:b@c;d=e,f(g)"),
        ("http://8.8.8.8:8080/", "http://8.8.8.8:8080/"),
        ("https://[2001:4860:4860:0:0:0:0:8888]/", "https://[2001:4860:4860::8888]/"),
        ("https://[2606:4700:4700::1111]:8443/", "https://[2606:4700:4700::1111]:8443/"),
    ],
)
def test_the_canonical_form_is_stored_and_is_its_own_canonical_form(written: str, canonical: str) -> None:
    assert check(written).url == canonical
    assert check(canonical).url == canonical


def test_the_parts_are_those_of_the_canonical_form() -> None:
    assert check("http://Example.com:8080/a?b") == CheckedUrl(
        url="http://example.com:8080/a?b", scheme="http", host="example.com", port=8080, path="/a?b"
    )
    assert check("https://[2001:4860:4860::8888]/").host == "2001:4860:4860::8888"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "empty"),
        ("https://example.com/" + "a" * 2048, "too_long"),
        ("https://example.com/" + "é" * 1000, "too_long"),
        ("https://example.com/a b", "bad_character"),
        ("https://example.com/\n", "bad_character"),
        ("https://example.com/\u200b", "bad_character"),
        ("https://example.com/\u202e", "bad_character"),
        ("https://ex\u00adample.com/", "bad_character"),
        ("https://example.com/\ud800", "bad_character"),
        ("https://example.com\\.evil.net/", "bad_character"),
        ("example.com/hook", "bad_syntax"),
        ("://example.com/", "bad_syntax"),
        ("https:example.com", "bad_syntax"),
        ("https://example.com/%zz", "bad_syntax"),
        ("https://example.com/%", "bad_syntax"),
        ("https://[2606:4700::1]x/", "bad_syntax"),
        ("https://x[2606:4700::1]/", "bad_syntax"),
        ("https://[[2606:4700::1]]/", "bad_syntax"),
        ("ws://example.com/", "scheme_not_allowed"),
        ("unix:///run/x.sock", "scheme_not_allowed"),
        ("https://user@example.com/", "userinfo"),
        ("https://user:pass@example.com/", "userinfo"),
        ("https://@example.com/", "userinfo"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:/", "bad_port"),
        ("https://example.com:0/", "bad_port"),
        ("https://example.com:0443/", "bad_port"),
        ("https://example.com:65536/", "bad_port"),
        ("https://example.com:+443/", "bad_port"),
        ("https://example.com:٤٤٣/", "bad_port"),
        ("https://example.com:25/", "port_not_allowed"),
        ("https://example.com:1023/", "port_not_allowed"),
        ("https://example.com:6379/", "port_not_allowed"),
        ("https://:443/", "bad_host"),
        ("https://./", "bad_host"),
        ("https://.example.com/", "bad_host"),
        ("https://example-.com/", "bad_host"),
        ("https://exa%6dple.com/", "bad_host"),
        ("https://example.com%00/", "bad_host"),
        ("https://xn--a.de/", "bad_host"),
        ("https://xn--a/", "bad_host"),
        ("https://" + "a" * 64 + ".com/", "bad_host"),
        ("https://" + "a." * 127 + "com/", "bad_host"),
        ("https://example.0x7f/", "bad_host"),
        ("https://example.1/", "bad_host"),
        ("https://1.2.3.4.5/", "bad_host"),
        ("https://[8.8.8.8]/", "bad_host"),
        ("https://[]/", "bad_host"),
        ("https://localhost/", "destination_not_allowed"),
        ("https://a.localhost/", "destination_not_allowed"),
        ("https://metadata/", "destination_not_allowed"),
        ("https://db.internal./", "destination_not_allowed"),
        ("https://nas.home.arpa/", "destination_not_allowed"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_what_is_wrong_has_a_reason(url: str, reason: str) -> None:
    assert reason_of(url) == reason


def test_http_needs_to_be_allowed() -> None:
    assert reason_of("http://example.com/", allow_http=False) == "scheme_not_allowed"
    assert check("https://example.com/", allow_http=False).scheme == "https"


def test_ports_are_those_of_the_setting() -> None:
    only = (range(443, 444), range(8000, 9000), range(6379, 6380))
    assert check("https://example.com:8080/", allow_ports=only).port == 8080
    assert reason_of("https://example.com:9000/", allow_ports=only) == "port_not_allowed"
    assert reason_of("http://example.com/", allow_ports=only) == "port_not_allowed"


def test_a_refused_port_opens_only_when_it_is_named_alone() -> None:
    assert reason_of("https://example.com:6379/", allow_ports=(range(6000, 7000),)) == "port_not_allowed"
    assert check("https://example.com:6379/", allow_ports=(range(6379, 6380),)).port == 6379


def test_a_demo_may_open_loopback_and_opens_nothing_else() -> None:
    assert check("http://127.0.0.1:8080/", LOOPBACK).host == "127.0.0.1"
    assert check("http://localhost:8080/", LOOPBACK).host == "localhost"
    assert reason_of("http://[::1]:8080/", LOOPBACK) == "destination_not_allowed"
    assert reason_of("http://10.0.0.1:8080/", LOOPBACK) == "destination_not_allowed"
    assert reason_of("http://metadata.google.internal/", LOOPBACK) == "destination_not_allowed"
    assert reason_of("http://127.1:8080/", LOOPBACK) == "bad_host"
    assert reason_of("http://[::ffff:127.0.0.1]:8080/", LOOPBACK) == "destination_not_allowed"


def test_names_of_an_internal_network_need_an_opened_one() -> None:
    assert check("https://billing/", INSIDE).host == "billing"
    assert check("https://billing.internal/", INSIDE).host == "billing.internal"
    assert reason_of("https://localhost/", INSIDE) == "destination_not_allowed"


def test_denied_beats_allowed() -> None:
    policy = AddressPolicy(allow_cidrs=("10.0.0.0/8",), deny_cidrs=("10.1.0.0/16", "8.8.8.0/24"))
    assert check("https://10.2.0.1/", policy).host == "10.2.0.1"
    assert reason_of("https://10.1.0.1/", policy) == "destination_not_allowed"
    assert reason_of("https://8.8.8.8/", policy) == "destination_not_allowed"


def test_the_hosts_own_address_is_refused() -> None:
    assert reason_of("https://8.8.8.8/", own={"8.8.8.8"}) == "destination_not_allowed"


RENDER_IPV4 = (
    str,
    hex,
    lambda value: oct(value).replace("0o", "0"),
    lambda value: str(IPv4Address(value)) + ".",
    lambda value: ".".join(hex(octet) for octet in IPv4Address(value).packed),
    lambda value: ".".join(f"0{octet:o}" for octet in IPv4Address(value).packed),
    lambda value: ".".join(f"{octet:03}" for octet in IPv4Address(value).packed) + ".0",
    lambda value: f"{value >> 24}.{value & 0xFFFFFF}",
    lambda value: f"{value >> 24}.{value >> 16 & 255}.{value & 0xFFFF}",
    lambda value: str(IPv4Address(value)).translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
    lambda value: str(IPv4Address(value)).replace(".", "\u3002"),
    lambda value: f"[::ffff:{IPv4Address(value)}]",
    lambda value: f"[::ffff:{value >> 16:x}:{value & 0xFFFF:x}]",
    lambda value: f"[::{IPv4Address(value)}]",
    lambda value: f"[64:ff9b::{IPv4Address(value)}]",
    lambda value: f"[2002:{value >> 16:x}:{value & 0xFFFF:x}::1]",
    lambda value: f"[2606:4700::5efe:{IPv4Address(value)}]",
    lambda value: f"[{IPv4Address(value)}]",
)


@given(value=st.integers(0, 2**32 - 1), render=st.sampled_from(RENDER_IPV4))
def test_an_odd_spelling_of_an_ipv4_address_is_never_taken(value: int, render: Any) -> None:
    with pytest.raises(InvalidUrl):
        check(f"https://{render(value)}/", AddressPolicy(allow_cidrs=("0.0.0.0/0",)))


@given(
    value=st.integers(0, 2**128 - 1), zone=st.sampled_from(["%", "%25", "%eth0", "%25lo", "/64", " ", "."])
)
def test_an_ipv6_address_with_anything_more_is_never_taken(value: int, zone: str) -> None:
    with pytest.raises(InvalidUrl):
        check(f"https://[{IPv6Address(value)}{zone}]/", AddressPolicy(allow_cidrs=("::/0",)))


@given(st.text(max_size=40))
def test_any_text_is_either_refused_or_plain_to_every_parser(text: str) -> None:
    try:
        checked = check("https://" + text)
    except InvalidUrl:
        return
    assert checked.url.isascii()
    assert check(checked.url) == checked
    parsed = yarl.URL(checked.url, encoded=True)
    assert (parsed.raw_host, parsed.port, parsed.raw_path_qs) == (checked.host, checked.port, checked.path)


@given(st.text(alphabet="abcAB01.-xnü:/?#@[]%\\ _ß", max_size=30))
def test_the_host_that_is_checked_is_the_host_that_is_asked(text: str) -> None:
    try:
        checked = check("https://" + text)
    except InvalidUrl:
        return
    parsed = yarl.URL(checked.url, encoded=True)
    assert (parsed.raw_host, parsed.port, parsed.raw_path_qs) == (checked.host, checked.port, checked.path)
