-- Between which places all events are that were inserted within a while.
--
-- Found by halving, since there is no index of times: places are drawn when events are inserted, so that the times grow
-- with them but for the moment in which two inserts overtake each other. A minute is allowed for that on both sides; who
-- asks looks at the times themselves as well.
--
-- $1 since: from then on; null for the beginning
-- $2 until: before then; null for the end
with recursive bounds as (
  select
    -- No min and max: where the table was just all but empty, plans for these read all of it.
    (select seq from relay.outbox order by seq limit 1) as first_seq,
    (select seq from relay.outbox order by seq desc limit 1) as last_seq
),
wanted as (
  select 'first' as edge, $1::timestamptz - interval '1 minute' as at, first_seq, last_seq
  from bounds
  where $1 is not null
  union all
  select 'last', $2::timestamptz + interval '1 minute', first_seq, last_seq
  from bounds
  where $2 is not null
),
-- The event at `low` is older than the time or the first, the one at `high` is not or is the last.
halved as (
  select edge, at, first_seq as low, last_seq as high, 0 as step
  from wanted
  union all
  select
    h.edge,
    h.at,
    case when o.created_at < h.at then o.seq else h.low end,
    case when o.created_at < h.at then h.high else h.low + (h.high - h.low + 1) / 2 end,
    h.step + 1
  from halved h
  cross join lateral (
    select seq, created_at
    from relay.outbox
    where seq >= h.low + (h.high - h.low + 1) / 2
    order by seq
    limit 1
  ) as o
  where h.high - h.low > 1
    and h.step < 100
)
select
  coalesce((select low from halved where edge = 'first' order by step desc limit 1), first_seq, 0) as first_seq,
  coalesce((select high from halved where edge = 'last' order by step desc limit 1), last_seq, 0) as last_seq
from bounds
