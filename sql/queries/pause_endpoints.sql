-- The endpoints whose deliveries a pause holds.
--
-- $1 tenant: paused; null for everything
select id
from relay.endpoint
where removed_at is null
  and ($1::text is null or tenant = $1)
order by id
