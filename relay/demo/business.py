"""What the demo's company does: its receivers, its event types, and what it says in them."""

import json
import random
from dataclasses import dataclass
from uuid import UUID

TENANT = "demo"
"""The tenant of its events and endpoints, so that nothing else in the database is mixed up with them."""

SCHEMA = """
create schema app;
create table app.invoices (
  id bigint generated always as identity primary key,
  customer text not null,
  amount numeric(12, 2) not null,
  created_at timestamptz not null default now()
);
"""
INSERT_INVOICE = "insert into app.invoices (customer, amount) values ($1, $2::text::numeric) returning id"
INSERT_EVENTS = """
insert into relay.outbox (id, event_type, payload, tenant)
select id, event_type, payload::json, $4 from unnest($1::uuid[], $2::text[], $3::text[]) as e(id, event_type, payload)
"""

SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "ledger": ("*",),
    "billing": ("invoice.*",),
    "crm": ("customer.created",),
}
"""The patterns that each endpoint subscribes to, by its name."""

_EVENT_TYPES = {
    "invoice.created": 6,
    "invoice.paid": 5,
    "invoice.voided": 1,
    "customer.created": 3,
    "customer.moved": 3,
}
_CUSTOMERS = (
    "Müller & Söhne",
    "O'Brien Ltd",
    "Ægir A/S",
    "Șerban SRL",
    "李記商行",
    'Smith "Quick" Inc',
    "Dvořák s.r.o.",
)
_NOTES = ("", "\\u00e9t\\u00e9", "50\\/50", "line\\nbreak", "<b>&amp;</b>", "\\ud83d\\ude80")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it is inserted: its payload is JSON text that must arrive as it is, byte for byte."""

    id: UUID
    event_type: str
    payload: str


def subscribers(event_type: str) -> frozenset[str]:
    """Return the names of the endpoints that subscribe to a type; written without a look at Relay's own rule."""
    return frozenset(
        name
        for name, patterns in SUBSCRIPTIONS.items()
        if any(_covers(each, event_type) for each in patterns)
    )


def customer(dice: random.Random) -> str:
    """Return some customer's name, with characters that careless programs get wrong."""
    return dice.choice(_CUSTOMERS)


def drafts(dice: random.Random, *, invoice: int, name: str, amount: str, count: int) -> tuple[Draft, ...]:
    """Return what happened in one transaction about one invoice, as that many events."""
    types = dice.choices(tuple(_EVENT_TYPES), weights=tuple(_EVENT_TYPES.values()), k=count)
    return tuple(
        Draft(
            id=UUID(int=dice.getrandbits(128), version=4),
            event_type=event_type,
            payload=_payload(dice, invoice=invoice, name=name, amount=amount),
        )
        for event_type in types
    )


def _payload(dice: random.Random, *, invoice: int, name: str, amount: str) -> str:
    """Return JSON that would not survive being read and written again: spaces, escapes, zeros, a key twice."""
    note = dice.choice(_NOTES)
    return (
        f'{{"invoice": {invoice},  "customer": {json.dumps(name, ensure_ascii=False)}, "amount": {amount},'
        f'\t"note": "{note}", "rate": 1.90e1, "line": 1, "line": {dice.randrange(100)} }}'
    )


def _covers(pattern: str, event_type: str) -> bool:
    prefix, star, _ = pattern.partition("*")
    return event_type.startswith(prefix) if star else event_type == pattern
