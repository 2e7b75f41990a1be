"""Texts of people who mean harm, in every place of the database that somebody else than its operator can write to."""

import json
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from tests.support.application import Application
from tests.support.receiver import Received, Receiver, Reply

TEXTS = (
    "<script>strange(1)</script>",
    "<ScRiPt src=//127.0.0.1:9/x.js></sCrIpT>",
    "</script><script>strange(3)</script>",
    "<img src=x onerror=strange(4)>",
    '"><svg/onload=strange(5)>',
    "'><body onload=strange(6)>",
    '" autofocus onfocus="strange(7)" x="',
    "' onmouseover='strange(8)' style='position:fixed;inset:0' x='",
    "javascript:strange(9)//",
    '<a href="javascript:strange(10)">x</a>',
    "</title></head><body><iframe srcdoc='<script>parent.strange(11)</script>'>",
    "</textarea></pre></option></select><script>strange(12)</script>",
    "--><!--><script>strange(13)</script><!--",
    "{{7*7}}{% raw %}${7*7}<%= 7*7 %>",
    '<div hx-get="/audit" hx-trigger="load" hx-target="body">x</div>',
    '<div hx-on::load="strange(16)" hx-on:click="strange(16)" data-hx-on:click="strange(16)">x</div>',
    "<base href=//127.0.0.1:9/><meta http-equiv=refresh content=0;url=//127.0.0.1:9/><style>*{display:none}</style>",
    '{"</script>": "<math><mtext></mtext><mglyph><style><img src=x onerror=strange(18)>"}',
    "invoice\u202egpj.exe\u2066\u200b\ufeff<script>strange(19)</script>",
    "\\u003cscript\\u003estrange(20)\\u003c/script\\u003e&lt;script&gt;strange(20)&lt;/script&gt;&#60;b&#62;",
)
ALL = " ".join(TEXTS)
BOOKS = """
with renamed as (
  update relay.endpoint set url = url || $1, disabled_reason = null where tenant = $2 returning id
), logged as (
  update relay.attempt a
  set url = a.url || $1, error = $1, error_code = left($1, 40), response_headers = json_build_object($1, $1)
  from renamed where a.endpoint_id = renamed.id and a.attempt = 2
), failed as (
  update relay.delivery d set last_error = $1, last_error_code = left($1, 40), last_status_code = null
  from renamed where d.endpoint_id = renamed.id
), audited as (
  insert into relay.audit (actor, action, object, detail) values ($1, $1, $1, json_build_object($1, $1))
), raised as (
  insert into relay.alert (alert, endpoint_id, summary, cleared_at)
  select $1, id, $1, moment from renamed cross join (values (null), (now())) as m (moment)
), operated as (
  insert into relay.operation (kind, state, selection, total, results, actor, detail)
  values ('retry', 'failed', json_build_object($1, $1), 3, jsonb_build_object($1, 1), $1, $1),
         ('retry', 'prepared', json_build_object('tenant', $1), 3, '{}', $1, null)
), unrouted as (
  insert into relay.unrouted (event_seq, reason, detail)
  select seq, 'unprocessable', $1 from relay.outbox where tenant = $2 and event_type = 'nobody.wants'
  on conflict (event_seq) do update set detail = excluded.detail
)
insert into relay.pause (tenant, paused_by) values ($1, $1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange:
    """What one text is in.

    Attributes:
        text: What a stranger wrote.
        delivery: A delivery of its event that was given up, as EVENT/ENDPOINT.
    """

    text: str
    event_id: UUID
    endpoint_id: UUID

    @property
    def delivery(self) -> str:
        return f"{self.event_id}/{self.endpoint_id}"


def answer_with_texts(receiver: Receiver) -> None:
    """Have a receiver refuse every event with its own payload, in status line, headers and body."""

    def reply(request: Received) -> Reply:
        text = json.loads(request.body)["text"]
        said = text.encode("ascii", "ignore")
        head = b"HTTP/1.1 500 %s\r\nX-Strange: %s\r\nContent-Type: text/html\r\n" % (said, said)
        body = f"<html>{text}".encode()
        return Reply(status=500, raw=head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    receiver.respond = reply


async def write_everywhere(application: Application, receiver: Receiver, text: str) -> Strange:
    """Write a text wherever an application and whoever makes endpoints can; its event is delivered, in vain."""
    said = text.encode("ascii", "ignore").decode()
    endpoint_id = await application.add_endpoint(
        receiver.url(f"/{quote(text)}"),
        description=text,
        tenant=text[:250],
        event_types=["invoice.*"],
        headers=json.dumps({"X-Strange": said}),
        metadata=json.dumps({text: text}),
    )
    event_id = await application.insert(
        json.dumps({"text": text, text: [text]}, ensure_ascii=False),
        tenant=text[:250],
        ordering_key=text[:250],
        dedupe_key=text[:250],
        headers=json.dumps({"X-Strange-Too": said}),
    )
    return Strange(text=text, event_id=event_id, endpoint_id=endpoint_id)


async def write_into_books(application: Application, strange: Strange) -> None:
    """Write it into what Relay itself writes too, as if it had come from errors, actors and settings."""
    await application.insert("{}", event_type="nobody.wants", tenant=f"{strange.text[:240]}", headers="{}")
    await application.execute(BOOKS, strange.text, strange.text[:250])
