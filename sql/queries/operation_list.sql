-- Operations, the newest first.
--
-- $1 operation_id: only this one; null for all
-- $2 limit: at most so many
select
  id, kind, state, selection::text as selection, rate, total, taken, results::text as results, actor, detail,
  created_at, started_at, ended_at
from relay.operation
where ($1::bigint is null or id = $1)
  and (state <> 'prepared' or id = $1)
order by id desc
limit $2::bigint
