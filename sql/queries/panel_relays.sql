-- The relays that run on this database, the active one first.
--
-- Relies on each renewing last_seen_at every second or so.
select
  state,
  host,
  pid,
  version,
  started_at
from relay.relay_instance
where state <> 'stopped'
  and last_seen_at > now() - interval '15 seconds'
order by state = 'active' desc, id
