-- One event, and whether a relay is running that would send it.
--
-- Relies on the active relay renewing last_seen_at every second or so.
--
-- $1 id: the event
select
  o.id,
  o.event_type,
  coalesce(o.payload::text, encode(o.body, 'escape')) as payload,
  coalesce(o.content_type, 'application/json') as content_type,
  o.tenant,
  o.ordering_key,
  o.sequence,
  o.endpoint_id,
  o.headers::text as headers,
  o.deliver_at,
  o.expires_at,
  o.dedupe_key,
  o.traceparent,
  o.created_at,
  c.cancelled_at,
  o.expunged_at,
  now() as asked_at,
  exists (
    select from relay.relay_instance where state = 'active' and last_seen_at > now() - interval '15 seconds'
  ) as is_relay_running
from relay.outbox o
left join relay.cancellation c on c.event_id = o.id
where o.id = $1::uuid
