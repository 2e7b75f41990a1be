-- Turn fresh rows into deliveries: some leased to this process at once, the rest due. What was withdrawn is not leased.
--
-- A fresh row that somebody else took meanwhile takes its deliveries with it; a delivery that exists already (the reply
-- to an earlier run of this statement was lost) is left alone. Returns what did not come about, which is little or
-- nothing: the deliveries that were to be leased to us and are not, and with a null endpoint_id the events whose fresh
-- row was gone or locked.
--
-- A delivery with an ordering hash is held while an earlier one of its key has not ended, or while an earlier event of it
-- is fresh that the same look saw. Relies on no such one being recorded meanwhile: the caller sees to that.
--
-- Each row is found by its key and changed at its place, whatever the planner believes of the sizes: hence the limit of 1
-- and the places. A plan made while the table was all but empty would else walk all of it for each event.
--
-- Arrays come as text, which costs the driver an eighth.
--
-- $1 xids: fresh rows, with $2 their key
-- $2 seqs: of the same rows
-- $3 finished: whether the event is now fanned out whole
-- $4 after_endpoint: if not, up to which endpoint
-- $5 event_seqs: the deliveries
-- $6 endpoint_ids: of the same deliveries
-- $7 sizes: bytes of the body
-- $8 leased: whether this process takes it at once
-- $9 not_before: epoch seconds before which it is not due; null: due now
-- $10 instance: who we are
-- $11 lease: seconds a lease is good for
-- $12 ended_seqs: events that end here
-- $13 ended_reasons: why
-- $14 ended_details: what to tell about it
-- $15 ordering_hashes: of the deliveries, null where no order is asked for; empty if there are none
-- $16 follows: whether an earlier one of the key is among these deliveries; empty likewise
-- $17 look_number: of the look that brought the events; null without such deliveries
-- $18 snapshot: what that look saw
-- $19 event_ids: of the events in $2
with given as (
  select xid::text::xid8 as xid, seq, finished, after_endpoint
  from unnest($1::text::bigint[], $2::text::bigint[], $3::text::boolean[], $4::text::uuid[]) as g(xid, seq, finished, after_endpoint)
),
held as materialized (
  select f.place, g.seq, g.finished, g.after_endpoint
  from given g
  cross join lateral (
    select ctid as place
    from relay.fresh
    where xid = g.xid
      and seq = g.seq
    limit 1
    for update skip locked
  ) as f
),
gone as (
  delete from relay.fresh
  where ctid = any(array(select place from held where finished))
  returning seq
),
kept as (
  update relay.fresh f
  set after_endpoint = h.after_endpoint
  from held h
  where f.ctid = h.place
    and not h.finished
  returning f.seq
),
-- Not those that somebody changed between the snapshot and the lock: they are missed, and found again.
taken as materialized (
  select seq
  from gone
  union all
  select seq
  from kept
),
ended as (
  insert into relay.unrouted (event_seq, reason, detail)
  select e.seq, e.reason, e.detail
  from unnest($12::bigint[], $13::text[], $14::text[]) as e(seq, reason, detail)
  join taken t on t.seq = e.seq
  on conflict do nothing
),
given_delivery as materialized (
  select seq, endpoint_id, size, leased, not_before, ordering_hash, follows
  from unnest(
    $5::text::bigint[], $6::text::uuid[], $7::text::integer[], $8::text::boolean[], $9::text::double precision[],
    $15::text::bigint[], $16::text::boolean[])
    as d(seq, endpoint_id, size, leased, not_before, ordering_hash, follows)
),
-- Withdrawn since they were looked at; the claim to come ends them.
withdrawn as materialized (
  select g.seq
  from unnest($2::text::bigint[], $19::text::uuid[]) as g(seq, id)
  cross join lateral (
    select event_id
    from relay.cancellation
    where event_id = g.id
    limit 1
  ) as c
),
waiting as materialized (
  select d.seq, d.endpoint_id
  from given_delivery d
  where d.ordering_hash is not null
    and (
      d.follows
      or exists (
        select from relay.delivery h
        where h.endpoint_id = d.endpoint_id
          and h.ordering_hash = d.ordering_hash
          and h.state in ('pending', 'retrying', 'held')
          and (h.look_number, h.event_seq) < ($17::bigint, d.seq)
      )
      or exists (
        select from relay.fresh f
        where f.ordering_hash = d.ordering_hash
          and f.seq < d.seq
          and pg_visible_in_snapshot(f.xid, $18::text::pg_snapshot)
          and not exists (select from given g where g.seq = f.seq)
      )
    )
),
born as (
  insert into relay.delivery (
    event_seq, endpoint_id, size, next_attempt_at, claimed_by, claim, state, reason, ordering_hash, look_number)
  select
    d.seq,
    d.endpoint_id,
    d.size,
    case
      when w.seq is not null then null
      when d.leased and x.seq is null then now() + $11::double precision * interval '1 second'
      else coalesce(to_timestamp(d.not_before), now())
    end,
    case when d.leased and w.seq is null and x.seq is null then $10::bigint end,
    case when d.leased and w.seq is null and x.seq is null then 1 else 0 end,
    case when w.seq is null then 'pending' else 'held' end,
    case when w.seq is not null then 'order' end,
    d.ordering_hash,
    case when d.ordering_hash is not null then $17::bigint end
  from given_delivery d
  join taken t on t.seq = d.seq
  left join waiting w on w.seq = d.seq and w.endpoint_id = d.endpoint_id
  left join withdrawn x on x.seq = d.seq
  on conflict do nothing
  returning event_seq, endpoint_id, claimed_by
)
select d.seq as event_seq, d.endpoint_id
from given_delivery d
left join born b on b.event_seq = d.seq and b.endpoint_id = d.endpoint_id and b.claimed_by is not null
where d.leased
  and b.event_seq is null
union all
select g.seq, null
from given g
left join taken t on t.seq = g.seq
where t.seq is null
