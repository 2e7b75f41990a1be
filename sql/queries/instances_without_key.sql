-- The running relays that do not hold a master key, or do not say which ones they hold.
--
-- Relies on each of them renewing last_seen_at every second or so.
--
-- $1 key_id: the key
select
  i.id,
  i.host,
  i.pid,
  i.state,
  i.key_ids is null as is_silent
from relay.relay_instance i
where i.state <> 'stopped'
  and i.last_seen_at > now() - interval '15 seconds'
  and (i.key_ids is null or $1::text <> all (i.key_ids))
order by i.id
