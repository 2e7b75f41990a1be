-- Make due again what relays held for longer than their leases, and were not found to be gone.
--
-- Our own leases do not end while we are at work: what of them is in hand still is recorded in time, and what is not is
-- for the caller to find out, who gets their keys. Reads on from the last call, however much came and went before.
-- Returns when this was, whether somebody else holds any locked, and a row with a key for each of our own.
--
-- $1 instance: who we are
-- $2 after: epoch seconds up to which leases were looked at before
with lapsed as materialized (
  select ctid as place, event_seq, endpoint_id, claimed_by
  from relay.delivery
  where claimed_by is not null
    and next_attempt_at > to_timestamp($2::double precision)
    and next_attempt_at <= now()
),
lost as materialized (
  select d.ctid as place
  from relay.delivery d
  where d.ctid = any(array(select place from lapsed where claimed_by <> $1::bigint))
    and d.claimed_by <> $1::bigint
    and d.next_attempt_at <= now()
  for update skip locked
),
ended as (
  update relay.delivery d
  set claimed_by = null
  from lost l
  where d.ctid = l.place
)
select
  extract(epoch from now())::double precision as looked_at,
  (select count(*) from lost) as ended,
  (select count(*) from lapsed where claimed_by <> $1::bigint) - (select count(*) from lost) as locked,
  own.event_seq,
  own.endpoint_id
from (select 1) as one
left join lapsed own on own.claimed_by = $1::bigint
