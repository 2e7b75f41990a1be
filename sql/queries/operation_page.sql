-- Operations that were started, the newest first, from one on.
--
-- $1 tenant: only those that were prepared for it alone; null for all
-- $2 before_id: only those before it; null from the newest
-- $3 state: only in this state; null for all, but for what was prepared and not started
-- $4 number: at most so many
select
  id, kind, state, selection::text as selection, rate, total, taken, results::text as results, actor, detail,
  created_at, started_at, ended_at
from relay.operation
where ($1::text is null or selection ->> 'tenant' = $1)
  and ($2::bigint is null or id < $2)
  and case when $3::text is null then state <> 'prepared' else state = $3 end
order by id desc
limit $4::bigint
