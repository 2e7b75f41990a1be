-- End the waiting deliveries of endpoints that are not in the registry: removed, or never there. At most 1000 a call.
--
-- Which of them are gone is asked first, so that the many deliveries of one that is there are not walked.
--
-- $1 endpoint_ids: endpoints that have scheduled work and that the relay does not know
with gone as materialized (
  select u.id
  from unnest($1::uuid[]) as u(id)
  where not exists (
    select from relay.endpoint e where e.id = u.id and e.removed_at is null
  )
),
found as materialized (
  select d.place
  from gone
  cross join lateral (
    select ctid as place
    from relay.delivery
    where endpoint_id = gone.id
      and next_attempt_at is not null
      and claimed_by is null
    order by next_attempt_at
    limit 1000
    for update skip locked
  ) as d
  limit 1000
),
changed as (
  update relay.delivery d
  set
    state = 'dead',
    reason = 'endpoint_removed',
    next_attempt_at = null,
    claimed_by = null,
    claim = d.claim + 1,
    recorded = d.claim + 1,
    ended_at = now()
  from found f
  where d.ctid = f.place
  returning d.event_seq, d.endpoint_id
)
select c.event_seq, c.endpoint_id, o.id as event_id, o.event_type
from changed c
left join lateral (
  select id, event_type
  from relay.outbox
  where seq = c.event_seq
  limit 1
) as o on true
