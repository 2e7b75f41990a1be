-- Take the payloads away of those of these events that were delivered long enough ago, and of which nothing waits or is
-- dead. Returns how many. Relies on their rows being locked: nobody schedules a delivery of them meanwhile.
--
-- $1 event_seqs: locked
-- $2 before: an attempt from then or later keeps the payload
with expunged as (
  update relay.outbox o
  set
    payload = 'null',
    body = null,
    content_type = null,
    expunged_at = now()
  where o.seq = any($1::bigint[])
    and o.expunged_at is null
    and not exists (select from relay.fresh f where f.seq = o.seq)
    and not exists (select from relay.delivery d where d.event_seq = o.seq and d.state <> 'cancelled')
    and exists (
      select from relay.attempt a
      where a.event_seq = o.seq
        and a.attempted_at < $2::timestamptz
        and a.outcome = 'delivered'
        and a.ended
    )
    and not exists (select from relay.attempt a where a.event_seq = o.seq and a.attempted_at >= $2)
  returning 1
)
select count(*) as expunged
from expunged
