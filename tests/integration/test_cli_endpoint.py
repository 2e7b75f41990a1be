"""`relay endpoint`: the registry as an operator changes it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from relay.http.signature import generate_secret
from relay.store.secrets import SecretBox
from tests.support.command_line import CommandLine, Rows, cli, nobody, rows

__all__ = ["cli", "rows"]

URL = "http://127.0.0.1:9000/hook"
FIELDS = [
    *("id", "url", "description", "tenant", "event_types", "filter", "headers", "signature"),
    *(
        "timeout",
        "ordered",
        "rate_limit",
        "max_in_flight",
        "retry_schedule",
        "store_response_body",
        "metadata",
        "state",
        "disabled_reason",
    ),
    *("created_at", "updated_at"),
]


def test_add_stores_every_field_and_prints_the_public_names(cli: CommandLine, rows: Rows) -> None:
    added = cli.done(
        *("endpoint", "add", URL, "--tenant", "acme", "--description", "Billing", "--timeout", "20s"),
        *(
            "--event-types",
            "invoice.*, customer.created",
            "--event-types",
            "a",
            "--header",
            "X-Team: billing",
        ),
        *("--signature", "standard", "--max-in-flight", "7", "--retry-schedule", "5s,1m,1h"),
        *("--no-store-response-body", "--metadata", '{"team": {"id": 1}}'),
    )
    assert list(added) == [*FIELDS, "secret"]
    expected = {
        "url": URL,
        "tenant": "acme",
        "description": "Billing",
        "timeout": "20s",
        "event_types": ["invoice.*", "customer.created", "a"],
        "headers": {"X-Team": "billing"},
        "signature": "standard",
        "max_in_flight": 7,
        "retry_schedule": ["5s", "1m", "1h"],
        "store_response_body": False,
        "metadata": {"team": {"id": 1}},
        "state": "active",
        "disabled_reason": None,
    }
    assert {name: added[name] for name in expected} == expected
    patterns = rows.fetch("select pattern from relay.subscription where tenant = 'acme' order by pattern")
    assert [row["pattern"] for row in patterns] == ["a", "customer.created", "invoice.*"]
    assert rows.audit() == [("endpoint.add", added["id"])]


def test_add_makes_a_secret_and_shows_it_once(cli: CommandLine, rows: Rows) -> None:
    ran = cli.run("endpoint", "add", URL)
    secret, endpoint_id = ran.data["secret"], UUID(ran.data["id"])
    stored = rows.fetch(
        "select sealed, key_id from relay.endpoint_secret where endpoint_id = $1", endpoint_id
    )
    assert [SecretBox().open(*row, endpoint_id=endpoint_id) for row in stored] == [secret]
    assert "not shown again" in ran.err
    assert secret not in cli.run("endpoint", "show", endpoint_id).out
    assert secret not in json.dumps([dict(row) for row in rows.fetch("select detail from relay.audit")])


def test_add_takes_a_given_secret_and_does_not_repeat_it(
    cli: CommandLine, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file, from_stdin, from_environment = (generate_secret() for _ in range(3))
    (tmp_path / "secret").write_text(from_file + "\n")
    outputs = [
        cli.run("endpoint", "add", URL, "--secret-file", tmp_path / "secret").out,
        cli.run("endpoint", "add", URL, "--secret-file", "-", stdin=from_stdin).out,
    ]
    monkeypatch.setenv("RELAY_ENDPOINT_SECRET", from_environment)
    outputs.append(cli.run("endpoint", "add", URL).out)
    stored = rows.fetch("select sealed from relay.endpoint_secret order by id")
    assert [row["sealed"].decode() for row in stored] == [from_file, from_stdin, from_environment]
    assert all(json.loads(out)["secret"] is None for out in outputs)


def test_a_bad_secret_is_refused_and_not_repeated(cli: CommandLine, rows: Rows) -> None:
    ran = cli.run("endpoint", "add", URL, "--secret-file", "-", stdin="whsec_hunter2")
    assert (ran.code, ran.out) == (2, "")
    assert "hunter2" not in ran.err
    assert rows.fetch("select from relay.endpoint") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["https://10.0.0.1/"], "destination_not_allowed"),
        (["ftp://example.com/"], "scheme_not_allowed"),
        ([URL, "--event-types", "invoice*"], "no pattern of event types"),
        ([URL, "--event-types", ""], "1 to 500 patterns"),
        ([URL, "--header", "Host: evil"], "header Host cannot be set"),
        ([URL, "--header", "nonsense"], "write 'Name: value'"),
        ([URL, "--header", "X-A: 1", "--header", "X-A: 2"], "given twice"),
        ([URL, "--timeout", "6m"], "at most 5m"),
        ([URL, "--timeout", "soon"], "is not a duration"),
        ([URL, "--max-in-flight", "0"], "must be 1 or more"),
        ([URL, "--retry-schedule", "0s"], "more than 0"),
        ([URL, "--metadata", "[1]"], "not a JSON object"),
        ([URL, "--metadata", '{"a": NaN}'], "metadata is not JSON"),
        ([URL, "--description", "x" * 1001], "at most 1000"),
        ([URL, "--signature", "md5"], "'md5' is not one of"),
        ([], "Missing argument 'URL'"),
    ],
)
def test_add_refuses_what_cannot_be(cli: CommandLine, rows: Rows, arguments: list[str], message: str) -> None:
    ran = cli.run("endpoint", "add", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert rows.fetch("select from relay.endpoint") == []


def test_list_filters_by_tenant_and_state(cli: CommandLine, rows: Rows) -> None:
    first = rows.endpoint(tenant="acme")
    second = rows.endpoint(tenant="acme", state="paused")
    rows.endpoint(removed_at=datetime.now(UTC))
    third = rows.endpoint()
    assert [each["id"] for each in cli.done("endpoint", "list")] == [str(first), str(second), str(third)]
    assert [each["id"] for each in cli.done("endpoint", "list", "--tenant", "")] == [str(third)]
    paused = cli.done("endpoint", "list", "--tenant", "acme", "--state", "paused")
    assert [each["id"] for each in paused] == [str(second)]
    assert list(paused[0]) == FIELDS


def test_show_prints_the_public_names(cli: CommandLine, rows: Rows) -> None:
    assert list(cli.done("endpoint", "show", rows.endpoint())) == FIELDS


def test_edit_changes_what_is_given_and_nothing_else(cli: CommandLine, rows: Rows) -> None:
    added = cli.done("endpoint", "add", URL, "--timeout", "20s", "--header", "X-A: 1", "--description", "old")
    edited = cli.done(
        *("endpoint", "edit", added["id"], "--url", URL + "2", "--event-types", "a.*", "--timeout", "default")
    )
    changed = {"url": URL + "2", "event_types": ["a.*"], "timeout": None}
    kept = {name: added[name] for name in FIELDS if name not in {*changed, "updated_at"}}
    assert edited == {**kept, **changed, "updated_at": edited["updated_at"]}
    assert edited["updated_at"] > added["updated_at"]
    assert [row["pattern"] for row in rows.fetch("select pattern from relay.subscription")] == ["a.*"]
    assert rows.audit()[-1] == ("endpoint.edit", added["id"])


def test_edit_can_take_the_headers_away(cli: CommandLine) -> None:
    added = cli.done("endpoint", "add", URL, "--header", "X-A: 1")
    assert cli.done("endpoint", "edit", added["id"], "--no-headers")["headers"] == {}


def test_edit_refuses_to_change_nothing(cli: CommandLine, rows: Rows) -> None:
    ran = cli.run("endpoint", "edit", rows.endpoint())
    assert ran.code == 2
    assert "nothing is to be changed" in ran.err


def test_edit_checks_values_as_add_does(cli: CommandLine, rows: Rows) -> None:
    assert cli.run("endpoint", "edit", rows.endpoint(), "--url", "https://10.0.0.1/").code == 2
    assert rows.audit() == []


@pytest.mark.parametrize(
    "command",
    [["show"], ["edit", "--timeout", "9s"], ["pause"], ["resume"], ["remove", "--yes"]],
    ids=lambda command: command[0],
)
def test_an_unknown_or_removed_endpoint_is_not_found(
    cli: CommandLine, rows: Rows, command: list[str]
) -> None:
    unknown = cli.run("endpoint", command[0], nobody(), *command[1:])
    assert (unknown.code, unknown.out) == (1, "")
    assert "there is no endpoint" in unknown.err
    removed = cli.run("endpoint", command[0], rows.endpoint(removed_at=datetime.now(UTC)), *command[1:])
    assert removed.code == 1
    assert "was removed on" in removed.err
    assert rows.audit() == []


@pytest.mark.parametrize("command", ["show", "edit", "pause", "resume", "remove"])
def test_a_bad_id_is_wrong_usage(cli: CommandLine, command: str) -> None:
    assert cli.run("endpoint", command, "not-an-id").code == 2


def test_pause_and_resume_change_the_state_once(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    assert cli.done("endpoint", "pause", endpoint_id)["state"] == "paused"
    assert "Nothing was changed" in cli.run("endpoint", "pause", endpoint_id).err
    assert cli.done("endpoint", "resume", endpoint_id)["state"] == "active"
    assert "Nothing was changed" in cli.run("endpoint", "resume", endpoint_id).err
    assert rows.audit() == [("endpoint.pause", str(endpoint_id)), ("endpoint.resume", str(endpoint_id))]


def test_pause_leaves_a_disabled_endpoint_and_its_reason(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint(state="disabled", disabled_reason="gone")
    paused = cli.done("endpoint", "pause", endpoint_id)
    assert (paused["state"], paused["disabled_reason"]) == ("disabled", "gone")


def test_resume_ends_that_an_active_endpoint_is_left_alone(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    rows.fetch("insert into relay.endpoint_condition (endpoint_id, breaker) values ($1, 'open')", endpoint_id)
    version = "select version from relay.registry"
    before = rows.fetch(version)

    assert "Nothing was changed" not in cli.run("endpoint", "resume", endpoint_id).err
    assert rows.fetch(version) > before, "the relay is to see it"
    assert "Nothing was changed" in cli.run("endpoint", "resume", endpoint_id).err
    assert rows.fetch("select from relay.endpoint_condition") == []


def test_resume_opens_new_windows_for_what_waited(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint(state="disabled", disabled_reason="gone")
    later = datetime.now(UTC) + timedelta(hours=12)
    retrying = rows.delivery(
        endpoint_id, state="retrying", attempt=5, window_attempt=5, next_attempt_at=later
    )
    held = rows.delivery(
        endpoint_id, state="held", reason="secret_missing", attempt=0, window_attempt=0, next_attempt_at=None
    )
    scheduled = rows.delivery(
        endpoint_id, state="pending", attempt=0, window_attempt=0, next_attempt_at=later
    )
    in_flight = rows.delivery(endpoint_id, state="retrying", claimed_by=1, next_attempt_at=later)
    elsewhere = rows.delivery(rows.endpoint(), state="retrying", next_attempt_at=later)
    resumed = cli.done("endpoint", "resume", endpoint_id)
    assert (resumed["state"], resumed["disabled_reason"]) == ("active", None)
    again = rows.of(retrying)
    assert (again["state"], again["attempt"], again["window_attempt"]) == ("retrying", 5, 0)
    assert again["window_started_at"] is None
    assert again["next_attempt_at"] < later
    assert (rows.of(held)["state"], rows.of(held)["reason"]) == ("pending", None)
    assert rows.of(held)["next_attempt_at"] is not None
    for untouched in (scheduled, in_flight, elsewhere):
        assert rows.of(untouched)["next_attempt_at"] == later


def test_resume_can_give_up_what_waited(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint(state="paused")
    waiting = rows.delivery(endpoint_id, state="retrying")
    assert cli.run("endpoint", "resume", endpoint_id, "--discard-waiting").code == 2
    ran = cli.run("endpoint", "resume", endpoint_id, "--discard-waiting", "--yes")
    assert ran.data["state"] == "active"
    assert "1 deliveries were given up" in ran.err
    assert (rows.of(waiting)["state"], rows.of(waiting)["reason"]) == ("dead", "discarded")


def test_remove_ends_what_waits_and_leaves_what_is_in_flight(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    later = datetime.now(UTC) + timedelta(hours=1)
    waiting = rows.delivery(endpoint_id, state="retrying")
    in_flight = rows.delivery(endpoint_id, state="pending", claimed_by=1, next_attempt_at=later)
    again = rows.event()
    rows.delivery(endpoint_id, event=again, state="retrying", delivered_before=True)
    elsewhere = rows.delivery(rows.endpoint(), state="retrying")
    ran = cli.run("endpoint", "remove", endpoint_id, "--yes")
    assert ran.code == 0
    assert "1 waiting deliveries were given up" in ran.err
    ended = rows.of(waiting)
    assert (ended["state"], ended["reason"], ended["next_attempt_at"]) == ("dead", "endpoint_removed", None)
    assert ended["claim"] == 2
    assert rows.of(in_flight)["state"] == "pending"
    assert rows.of(elsewhere)["state"] == "retrying"
    assert rows.fetch("select from relay.delivery where event_seq = $1", again["seq"]) == []
    assert rows.fetch("select from relay.endpoint_secret where endpoint_id = $1", endpoint_id) == []
    assert rows.fetch("select from relay.subscription where endpoint_id = $1", endpoint_id) == []
    assert cli.run("endpoint", "show", endpoint_id).code == 1
    assert rows.audit() == [("endpoint.remove", str(endpoint_id))]


def test_remove_ends_more_than_one_batch(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    rows.fetch(
        "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at) "
        "select n, $1, 1, now() from generate_series(1, 2100) n",
        endpoint_id,
    )
    assert "2100 waiting deliveries" in cli.run("endpoint", "remove", endpoint_id, "--yes").err
    left = rows.fetch("select from relay.delivery where state <> 'dead'")
    assert left == []


def test_remove_asks_first(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    ran = cli.run("endpoint", "remove", endpoint_id)
    assert ran.code == 2
    assert "add --yes" in ran.err
    assert cli.run("endpoint", "show", endpoint_id).code == 0


def test_check_is_one_of_its_commands(cli: CommandLine) -> None:
    assert cli.run("endpoint", "check", "https://example.com/").data["allowed"] is True


def secrets_of(rows: Rows, endpoint_id: str) -> list[tuple[str, float | None]]:
    """Return the secrets, the newest first, each with the seconds until it ends."""
    found = rows.fetch(
        "select sealed, key_id, extract(epoch from expires_at - now())::double precision as left"
        " from relay.endpoint_secret where endpoint_id = $1 order by id desc",
        UUID(endpoint_id),
    )
    box = SecretBox()
    return [
        (box.open(row["sealed"], row["key_id"], endpoint_id=UUID(endpoint_id)), row["left"]) for row in found
    ]


def test_rotate_makes_a_new_secret_and_ends_the_old_one_after_the_overlap(
    cli: CommandLine, rows: Rows
) -> None:
    added = cli.done("endpoint", "add", URL)
    ran = cli.run("endpoint", "rotate-secret", added["id"], "--overlap", "1h")

    (new, end), (old, old_end) = secrets_of(rows, added["id"])
    assert (new, old) == (ran.data["secret"], added["secret"])
    assert new != old
    assert end is None
    assert old_end == pytest.approx(3600, abs=30)
    assert "not shown again" in ran.err
    assert "1h" in ran.err
    assert rows.audit()[-1] == ("endpoint.rotate_secret", added["id"])
    assert new not in cli.run("endpoint", "show", added["id"]).out


def test_rotate_takes_the_configured_overlap_and_a_given_secret_which_it_does_not_repeat(
    cli: CommandLine, rows: Rows, tmp_path: Path
) -> None:
    added, own = cli.done("endpoint", "add", URL), generate_secret()
    (tmp_path / "secret").write_text(own)

    ran = cli.run("endpoint", "rotate-secret", added["id"], "--secret-file", tmp_path / "secret")

    (new, _), (_, old_end) = secrets_of(rows, added["id"])
    assert new == own
    assert old_end == pytest.approx(24 * 3600, abs=30)
    assert own not in ran.out + ran.err


def test_rotate_never_takes_the_secret_that_the_environment_still_has(
    cli: CommandLine, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaked = generate_secret()
    monkeypatch.setenv("RELAY_ENDPOINT_SECRET", leaked)
    added = cli.done("endpoint", "add", URL)

    rotated = cli.done("endpoint", "rotate-secret", added["id"], "--at-once", "--yes")

    assert rotated["secret"] != leaked
    assert secrets_of(rows, added["id"]) == [(rotated["secret"], None)]


def test_an_empty_secret_file_is_a_mistake_and_no_wish_for_a_new_secret(
    cli: CommandLine, rows: Rows, tmp_path: Path
) -> None:
    added = cli.done("endpoint", "add", URL)
    (tmp_path / "secret").write_text("\n")

    for command in (["add", URL], ["rotate-secret", added["id"]]):
        refused = cli.run("endpoint", *command, "--secret-file", tmp_path / "secret")
        assert refused.code == 2
        assert "secret" in refused.err
    assert secrets_of(rows, added["id"]) == [(added["secret"], None)]
    assert len(rows.fetch("select from relay.endpoint")) == 1


def test_rotate_without_an_overlap_asks_however_it_is_said(cli: CommandLine, rows: Rows) -> None:
    added = cli.done("endpoint", "add", URL)

    for way in (["--overlap", "0s"], ["--at-once"]):
        refused = cli.run("endpoint", "rotate-secret", added["id"], *way)
        assert refused.code == 2
        assert "--yes" in refused.err
    assert len(secrets_of(rows, added["id"])) == 1


def test_rotate_at_once_leaves_the_new_secret_alone(cli: CommandLine, rows: Rows) -> None:
    added = cli.done("endpoint", "add", URL)
    cli.done("endpoint", "rotate-secret", added["id"])
    refused = cli.run("endpoint", "rotate-secret", added["id"], "--at-once")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert len(secrets_of(rows, added["id"])) == 2

    rotated = cli.done("endpoint", "rotate-secret", added["id"], "--at-once", "--yes")

    assert secrets_of(rows, added["id"]) == [(rotated["secret"], None)]


def test_an_endpoint_has_at_most_five_secrets_and_a_rotation_lengthens_none(
    cli: CommandLine, rows: Rows
) -> None:
    added = cli.done("endpoint", "add", URL)
    made = [
        added["secret"],
        *(
            cli.done("endpoint", "rotate-secret", added["id"], "--overlap", f"{hours}h")["secret"]
            for hours in (1, 9, 9, 9, 9, 9)
        ),
    ]

    found = secrets_of(rows, added["id"])
    assert [secret for secret, _ in found] == made[:-6:-1]
    assert [round(left / 3600) for _, left in found[1:] if left is not None] == [9, 9, 9, 9]
    again = cli.done("endpoint", "rotate-secret", added["id"], "--overlap", "1h")
    lengths = [left for _, left in secrets_of(rows, added["id"])]
    assert again["secret"] not in made
    assert [round(left / 3600) for left in lengths if left is not None] == [1, 1, 1, 1]
    cli.done("endpoint", "rotate-secret", added["id"], "--overlap", "30d")
    lengths = [left for _, left in secrets_of(rows, added["id"])]
    assert [round(left / 3600) for left in lengths if left is not None] == [720, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--at-once", "--overlap", "1h"], "contradict"), (["--overlap", "soon"], "not a duration")],
)
def test_rotate_refuses_what_makes_no_sense(
    cli: CommandLine, rows: Rows, arguments: list[str], says: str
) -> None:
    added = cli.done("endpoint", "add", URL)

    refused = cli.run("endpoint", "rotate-secret", added["id"], *arguments)

    assert refused.code == 2
    assert says in refused.err
    assert len(secrets_of(rows, added["id"])) == 1


def test_rotate_refuses_an_endpoint_that_is_not_there(cli: CommandLine) -> None:
    added = cli.done("endpoint", "add", URL)
    cli.done("endpoint", "remove", added["id"], "--yes")

    assert "was removed" in cli.run("endpoint", "rotate-secret", added["id"]).err
    assert "there is no endpoint" in cli.run("endpoint", "rotate-secret", nobody()).err


def test_filter_and_rate_limit_are_stored_shown_and_taken_away(cli: CommandLine) -> None:
    added = cli.done("endpoint", "add", URL, "--filter", '{"currency": "EUR"}', "--rate-limit", "50")
    assert (added["filter"], added["rate_limit"]) == ({"currency": "EUR"}, 50)

    edited = cli.done("endpoint", "edit", added["id"], "--filter", '{"a": [1]}', "--rate-limit", "0.5")
    assert (edited["filter"], edited["rate_limit"]) == ({"a": [1]}, 0.5)

    freed = cli.done("endpoint", "edit", added["id"], "--filter", "none", "--rate-limit", "none")
    assert (freed["filter"], freed["rate_limit"]) == (None, None)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--filter", "[1]", "not a JSON object"),
        ("--filter", "{", "not JSON"),
        ("--filter", "{}", "empty"),
        ("--filter", '{"a": ' + "[" * 30 + "]" * 30 + "}", "deep"),
        ("--filter", '{"a": "' + "x" * 5000 + '"}', "bytes"),
        ("--rate-limit", "fast", "no number"),
        ("--rate-limit", "0", "must be"),
        ("--rate-limit", "-1", "must be"),
        ("--rate-limit", "nan", "must be"),
        ("--rate-limit", "1e9", "must be"),
    ],
)
def test_filters_and_rates_that_cannot_be_are_refused(
    cli: CommandLine, rows: Rows, option: str, value: str, problem: str
) -> None:
    refused = cli.run("endpoint", "add", URL, f"{option}={value}")

    assert refused.code == 2
    assert problem in refused.err
    assert rows.fetch("select id from relay.endpoint") == []
