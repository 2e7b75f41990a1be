-- How many deliveries are due of endpoints that are left alone.
--
-- Relies on the index delivery_due, which leads with the endpoint: what is read is bounded by $2, whatever waits.
--
-- $1 endpoint_ids: the endpoints
-- $2 most: at most so many of each are looked at, those that are due for longest
select
  e.id as endpoint_id,
  count(*) filter (where d.attempt = 0) as untried,
  count(*) filter (where d.attempt > 0) as tried
from unnest($1::uuid[]) as e(id)
cross join lateral (
  select
    attempt,
    delivered_before
  from relay.delivery
  where endpoint_id = e.id
    and next_attempt_at <= now()
    and claimed_by is null
  order by next_attempt_at
  limit $2::integer
) as d
where not d.delivered_before
group by e.id
