"""Who may send, also behind proxies: what cannot be told is refused, and nobody can write himself in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.receiver import AllowList
from relay.receiver.allowlist import parse_address

GOOD = "203.0.113.7"
BAD = "198.51.100.9"
PROXY = "10.0.0.1"
LIST = ["203.0.113.0/24", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("peer", "is_allowed"),
    [
        (GOOD, True),
        (BAD, False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:203.0.113.7", True),
        ("::FFFF:CB00:7107", True),
        ("::ffff:198.51.100.9", False),
        ("::203.0.113.7", False),
        ("64:ff9b::203.0.113.7", False),
        ("2002:cb00:7107::", False),
        (None, False),
        ("", False),
        ("unix:", False),
        ("203.0.113.007", False),
        ("0xcb007107", False),
        ("3405803783", False),
        ("203.0.113", False),
        ("2001:db8::1%eth0", False),
        ("\uff12\uff10\uff13.0.113.7", False),
    ],
)
def test_without_proxies_the_connection_counts(peer: str | None, is_allowed: bool) -> None:
    assert AllowList(LIST).allows(peer) is is_allowed
    assert AllowList(LIST).allows(peer, [GOOD]) is is_allowed, "the header is anybody's"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4:80", "1.2.3.4"),
        (" 1.2.3.4\t", "1.2.3.4"),
        ("[::1]", "::1"),
        ("[::1]:443", "::1"),
        ("[::ffff:1.2.3.4]:443", "1.2.3.4"),
        ("::1", "::1"),
        ("1.2.3.4:", None),
        ("1.2.3.4:x", None),
        ("1.2.3.4:80:90", None),
        ("[1.2.3.4]", None),
        ("[::1", None),
        ("[::1]443", None),
        ("[::1]:", None),
        ("::1]:443", None),
        ('"1.2.3.4"', None),
        ("for=1.2.3.4", None),
        ("unknown", None),
        ("1.2.3.4/32", None),
        ("1.2.3.4\n", None),
    ],
)
def test_an_address_is_read_with_port_and_brackets(text: str, address: str | None) -> None:
    assert (str(parse_address(text)) if parse_address(text) else None) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_allowed"),
    [
        (PROXY, [GOOD], True),
        (PROXY, [f"{GOOD}, {PROXY}"], True),
        (PROXY, [GOOD, PROXY], True),
        ("::ffff:10.0.0.1", [GOOD], True),
        (PROXY, [f"{GOOD}:4711"], True),
        (PROXY, [f"{GOOD}, {BAD}"], False),  # spoofed: what the proxy saw stands last
        (PROXY, [GOOD, BAD], False),
        (PROXY, [f"{GOOD}, {BAD}, {PROXY}"], False),
        (PROXY, [], False),  # the header is missing
        (PROXY, [""], False),
        (PROXY, [PROXY], False),  # only proxies
        (PROXY, [f"{GOOD}, unknown"], False),
        (PROXY, [f"{GOOD},"], False),
        (PROXY, [f"{GOOD}, unknown, {PROXY}"], False),
        (BAD, [GOOD], False),  # past the proxy
        (GOOD, [BAD], True),  # directly, and the header is anybody's
        (None, [GOOD], False),
        (PROXY, [GOOD + ", " + ", ".join([PROXY] * 1000)], False),
    ],
)
def test_behind_known_proxies_the_last_stranger_counts(
    peer: str | None, forwarded: list[str], is_allowed: bool
) -> None:
    assert AllowList(LIST, trusted_proxies=["10.0.0.0/8"]).allows(peer, forwarded) is is_allowed


@pytest.mark.parametrize(
    ("hops", "forwarded", "is_allowed"),
    [
        (1, [GOOD], True),
        (1, [f"{BAD}, {GOOD}"], True),
        (1, [f"{GOOD}, {BAD}"], False),
        (1, [GOOD, BAD], False),
        (1, [], False),
        (1, [""], False),
        (1, [f"{GOOD}, "], False),
        (2, [f"{GOOD}, {PROXY}"], True),
        (2, [f"{GOOD}, {BAD}, {PROXY}"], False),
        (2, [GOOD], False),  # one proxy is missing
        (2, [GOOD, PROXY], True),
    ],
)
def test_behind_so_many_hops_that_entry_from_the_right_counts(
    hops: int, forwarded: list[str], is_allowed: bool
) -> None:
    assert AllowList(LIST, trusted_hops=hops).allows(PROXY, forwarded) is is_allowed


@given(st.lists(st.text(alphabet="0123456789abcdef.:,[] \t%x", max_size=60), max_size=5))
def test_nothing_that_a_stranger_writes_before_the_proxys_word_lets_him_in(written: list[str]) -> None:
    for allow_list in (AllowList(LIST, trusted_proxies=[PROXY]), AllowList(LIST, trusted_hops=1)):
        assert not allow_list.allows(PROXY, [*written, BAD])
        assert not allow_list.allows(PROXY, [f"{','.join(written)}, {BAD}"])


def test_an_empty_list_lets_nobody_in() -> None:
    assert not AllowList([]).allows(GOOD)


def test_a_mapped_network_is_the_network_that_it_maps() -> None:
    assert AllowList(["::ffff:203.0.113.0/120"]).allows(GOOD)
    assert not AllowList(["::ffff:203.0.113.0/120"]).allows("203.0.114.7")


def test_a_list_can_be_replaced_and_a_wrong_one_changes_nothing() -> None:
    allow_list = AllowList(LIST)
    allow_list.replace([BAD])
    assert (allow_list.allows(BAD), allow_list.allows(GOOD)) == (True, False)

    with pytest.raises(ValueError, match=r"host bits|not appear"):
        allow_list.replace([GOOD, "203.0.113.7/24"])
    assert (allow_list.allows(BAD), allow_list.allows(GOOD)) == (True, False)


@pytest.mark.parametrize(
    "wrong",
    [{"trusted_hops": -1}, {"trusted_hops": 1, "trusted_proxies": [PROXY]}, {"trusted_proxies": PROXY}],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"trusted|a list"):
        AllowList(LIST, **wrong)  # type: ignore[arg-type]
