-- Publish an event, with a row of the audit, and say how many endpoints will get it.
--
-- Returns the id of the event that stands: another one than $2 if the dedupe key was there before, and then nothing is
-- stored. Endpoints are counted as fan-out finds them: by tenant and pattern, or the one that the event is for.
--
-- $1 event_type: a dotted name
-- $2 id: of the new event
-- $3 payload: JSON text, sent as it is
-- $4 tenant: whose event it is
-- $5 ordering_key: null for none
-- $6 sequence: null for none
-- $7 endpoint_id: only for this endpoint; null for all that subscribe
-- $8 headers: JSON text; null for none
-- $9 deliver_at: not before; null for at once
-- $10 expires_at: not after; null for never
-- $11 dedupe_key: null for none
-- $12 traceparent: null for none
-- $13 actor: who does it
with published as materialized (
  select relay.publish(
    event_type => $1::text,
    payload => $3::text::json,
    id => $2::uuid,
    tenant => $4::text,
    ordering_key => $5::text,
    sequence => $6::bigint,
    endpoint_id => $7::uuid,
    headers => $8::text::json,
    deliver_at => $9::timestamptz,
    expires_at => $10::timestamptz,
    dedupe_key => $11::text,
    traceparent => $12::text
  ) as id
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $13, 'event.publish', id::text, json_build_object('event_type', $1, 'tenant', $4)
  from published
  where id = $2
)
select
  id as event_id,
  (
    select count(distinct s.endpoint_id)
    from relay.subscription s
    where s.tenant = $4
      and case
        when $7 is not null then s.endpoint_id = $7
        else s.pattern = '*' or s.pattern = $1 or (s.pattern like '%.*' and starts_with($1, left(s.pattern, -1)))
      end
  ) as endpoints
from published
