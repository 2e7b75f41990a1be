-- Delete those of these events whose time is over, with what is left of their deliveries. Returns how many, and how many
-- of them somebody else has a delivery of locked, which are left.
--
-- An event is over when something tells that it was fanned out, nothing of it waits or is held, its last attempt is long
-- ago, and so is the end of what is dead. One of which nothing tells bypassed the trigger, and stays. Relies on its row
-- being locked: nobody schedules a delivery of it meanwhile.
--
-- $1 event_seqs: locked
-- $2 before: an attempt from then or later keeps its event
-- $3 dead_before: what is dead, or was withdrawn, then or later keeps its event
with given as materialized (
  select seq
  from unnest($1::bigint[]) as g(seq)
),
over as materialized (
  select g.seq
  from given g
  where not exists (select from relay.fresh f where f.seq = g.seq)
    and (
      exists (select from relay.attempt a where a.event_seq = g.seq and a.attempted_at < $2::timestamptz)
      or exists (select from relay.delivery d where d.event_seq = g.seq)
      or exists (select from relay.unrouted u where u.event_seq = g.seq)
    )
    and not exists (
      select from relay.delivery d
      where d.event_seq = g.seq
        and (d.state not in ('dead', 'cancelled') or d.ended_at is null or d.ended_at >= $3::timestamptz)
    )
    and not exists (select from relay.attempt a where a.event_seq = g.seq and a.attempted_at >= $2)
    and not exists (
      select from relay.unrouted u
      where u.event_seq = g.seq
        and u.noted_at >= case u.reason when 'unprocessable' then $3 else $2 end
    )
),
free as materialized (
  select d.ctid as place, d.event_seq
  from relay.delivery d
  where d.event_seq in (select seq from over)
  for update skip locked
),
gone as (
  delete from relay.outbox o
  using over
  where o.seq = over.seq
    and (select count(*) from relay.delivery d where d.event_seq = over.seq)
      = (select count(*) from free f where f.event_seq = over.seq)
  returning o.seq, o.id
),
deliveries as (
  delete from relay.delivery
  where ctid = any(array(select f.place from free f join gone on gone.seq = f.event_seq))
),
kept_attempts as (
  delete from relay.attempt_default a
  using gone
  where a.event_seq = gone.seq
),
unrouted as (
  delete from relay.unrouted u
  using gone
  where u.event_seq = gone.seq
),
cancellations as (
  delete from relay.cancellation c
  using gone
  where c.event_id = gone.id
)
select
  (select count(*) from gone) as deleted,
  (select count(*) from over) - (select count(*) from gone) as passed_over
