-- What has not ended well, by state, counted.
select
  state,
  deliveries,
  extract(epoch from oldest_age)::double precision as oldest_age_s
from relay.backlog
order by state
