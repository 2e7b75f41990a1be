-- Give back the deliveries that are ours in the table but not in hand, after a reply was lost or a connection broke.
--
-- They were never sent under this claim, so the claim counts as recorded. Returns the endpoints that have due work now.
--
-- $1 instance: who we are
-- $2 event_seqs: the deliveries in hand, which stay
-- $3 endpoint_ids: of the same deliveries
with stray as materialized (
  select d.ctid as place
  from relay.delivery d
  where d.claimed_by = $1::bigint
    and d.next_attempt_at is not null
    and not exists (
      select
      from unnest($2::bigint[], $3::uuid[]) as h(event_seq, endpoint_id)
      where h.event_seq = d.event_seq
        and h.endpoint_id = d.endpoint_id
    )
  for update skip locked
),
released as (
  update relay.delivery d
  set
    claimed_by = null,
    recorded = d.claim,
    next_attempt_at = now()
  from stray s
  where d.ctid = s.place
  returning d.endpoint_id
)
select distinct endpoint_id
from released
