-- The time, and how many seconds ago the active relay was last seen; null if there was none.
select
  now() as now,
  extract(epoch from now() - max(last_seen_at))::double precision as active_seen_ago
from relay.relay_instance
where state = 'active'
