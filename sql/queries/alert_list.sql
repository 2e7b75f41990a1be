-- Alerts, the newest first.
--
-- $1 active: true for those that last, false for those that are over; null for both
-- $2 tenant: only those of this one's endpoints, never those of everything; null for all
-- $3 before: only those raised before this one, by id; null to begin with the newest
-- $4 number: at most so many
select
  a.id,
  a.alert,
  a.endpoint_id,
  a.summary,
  a.detail::text as detail,
  a.raised_at,
  a.cleared_at
from relay.alert a
where ($1::boolean is null or (a.cleared_at is null) = $1)
  and (
    $2::text is null
    or exists (select from relay.endpoint e where e.id = a.endpoint_id and e.tenant = $2)
  )
  and ($3::bigint is null or a.id < $3)
order by a.id desc
limit $4::bigint
