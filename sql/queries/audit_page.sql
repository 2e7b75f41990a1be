-- Who did what, the newest first, from one on; looks at so many at most.
--
-- Every row says how far the look went, and there is one without an entry if it found none: `reached_id` is the last
-- that was looked at, null when there is nothing left to look at.
--
-- $1 actor: only what it did; null for all
-- $2 action: only this, or with a dot at its end all that begin so: endpoint. ; null for all
-- $3 object: only what was done to it; null for all
-- $4 since: only what was done then or later; null for all
-- $5 until: only what was done before; null for all
-- $6 before_id: only entries before it; null from the newest
-- $7 look: at most so many are looked at
-- $8 number: at most so many are found
with looked as materialized (
  select id, at, actor, action, object, detail
  from relay.audit
  where $6::bigint is null or id < $6
  order by id desc
  limit $7::bigint
),
reached as (
  select case when count(*) = $7 then min(id) end as id
  from looked
),
found as (
  select *
  from looked
  where ($1::text is null or actor = $1)
    and ($2::text is null or action = $2 or ($2 like '%.' and starts_with(action, $2)))
    and ($3::text is null or object = $3)
    and ($4::timestamptz is null or at >= $4)
    and ($5::timestamptz is null or at < $5)
  order by id desc
  limit $8::bigint
)
select r.id as reached_id, f.id, f.at, f.actor, f.action, f.object, f.detail::text as detail
from reached r
left join found f on true
order by f.id desc
