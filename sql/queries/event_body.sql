-- What an event carries, byte for byte as it is sent; null once it was expunged.
--
-- $1 id: the event
select
  coalesce(convert_to(payload::text, 'UTF8'), body) as body,
  payload is not null as is_json
from relay.outbox
where id = $1::uuid
  and expunged_at is null
