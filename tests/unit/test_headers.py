import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http.headers import InvalidHeader, check_headers


def test_ordinary_headers_pass_in_their_order() -> None:
    given_headers = {
        "Authorization": "Bearer a.b.c==",
        "X-Tenant": "acme",
        "X-Empty": "",
        "x_trace": "a b\tc",
        "Accept": "*/*",
        "Traceparent": "00-1-2-01",
        "Webhooks": "not ours",
    }
    assert check_headers(given_headers) == tuple(given_headers.items())


def test_none_at_all_is_fine() -> None:
    assert check_headers({}) == ()


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a:",
        ":path",
        "a\r\nb",
        "a\x00",
        "é",
        "\uff28ost",
        "a,b",
        "a(b)",
        "a/b",
        '"a"',
        "a\tb",
        "x" * 9000,
        "\ud800",
    ],
    ids=ascii,
)
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeader):
        check_headers({name: "value"})


@pytest.mark.parametrize(
    "value",
    [
        " a",
        "a ",
        "\ta",
        "a\t",
        "a\nb",
        "a\r\nX: y",
        "a\r",
        "a\x00",
        "a\x7f",
        "\x1b[31m",
        "é",
        "\xa0",
        "\u2028",
        "\ud800",
        " ",
    ],
    ids=ascii,
)
def test_a_malformed_value_is_refused(value: str) -> None:
    with pytest.raises(InvalidHeader, match="X-Custom"):
        check_headers({"X-Custom": value})


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "HOST",
        "Content-Length",
        "content_length",
        "Content-Type",
        "Content-Encoding",
        "content-anything",
        "Transfer-Encoding",
        "Transfer_Encoding",
        "transfer-x",
        "TE",
        "Trailer",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Cookie",
        "Cookie2",
        "Set-Cookie",
        "User-Agent",
        "Accept-Encoding",
        "webhook-id",
        "Webhook-Signature",
        "webhook_id",
        "webhook-whatever",
        "X-Webhook-Id",
        "x-webhook-anything",
        "X_Webhook_Id",
        "Metadata",
        "Metadata-Flavor",
        "X-Google-Metadata-Request",
        "X-aws-ec2-metadata-token",
        "X-aws-ec2-metadata-token-ttl-seconds",
        "X-aliyun-ecs-metadata-token",
        "X-Metadata-Token",
    ],
)
def test_a_reserved_name_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(InvalidHeader, match=f"header {name} cannot be set: .+; remove it"):
        check_headers({name: "1"})


def test_the_same_name_twice_is_refused_whatever_its_case() -> None:
    with pytest.raises(InvalidHeader, match="twice"):
        check_headers({"X-A": "1", "x-a": "2"})


def test_twenty_headers_pass_and_one_more_does_not() -> None:
    assert len(check_headers({f"X-{number}": "" for number in range(20)})) == 20
    with pytest.raises(InvalidHeader, match="at most 20"):
        check_headers({f"X-{number}": "" for number in range(21)})


def test_eight_kibibytes_pass_and_one_more_does_not() -> None:
    room = 8192 - len("X-A: \r\n")
    assert check_headers({"X-A": "v" * room})
    with pytest.raises(InvalidHeader, match="8193 bytes"):
        check_headers({"X-A": "v" * (room + 1)})


@pytest.mark.parametrize("value", [1, None, b"bytes", ["list"], {}])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidHeader, match="not a text"):
        check_headers({"X-A": value})  # type: ignore[dict-item]  # what JSON from outside may hold


def test_a_message_never_repeats_a_value() -> None:
    with pytest.raises(InvalidHeader) as refused:
        check_headers({"Authorization": "Bearer canary\n"})
    assert "canary" not in str(refused.value)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=25))
def test_whatever_passes_is_one_safe_line_each(headers: dict[str, str]) -> None:
    try:
        passed = check_headers(headers)
    except InvalidHeader:
        return
    for name, value in passed:
        assert name.isascii()
        assert name.isprintable()
        assert ":" not in name
        assert value.isascii()
        assert not set(value) & set(map(chr, (*range(9), *range(10, 32), 127)))
        assert value == value.strip()
