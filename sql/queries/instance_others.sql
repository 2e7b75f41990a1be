-- The other relays that may still hold leases, and for how long each was not seen.
--
-- $1 instance: who we are
select
  i.id,
  i.host,
  i.boot_id,
  i.pid,
  i.process_started,
  extract(epoch from now() - i.last_seen_at)::double precision as silent_for
from relay.relay_instance i
where i.id <> $1::bigint
  and i.state <> 'stopped'
