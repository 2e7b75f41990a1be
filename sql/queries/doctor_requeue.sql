-- Let events be fanned out that bypassed the trigger, at most so many a call. Returns how many, and the last event looked
-- at, where the next call goes on; no row: that was all. Relies on doctor_lock in the same transaction, before.
--
-- $1 after_seq: the last event of the call before
-- $2 number: at most so many are looked at
-- $3 actor: who does it
-- $4 since: only of events inserted then or later; null for all
with page as materialized (
  select *
  from relay.outbox
  where seq > $1::bigint
  order by seq
  limit $2::bigint
),
bypassed as materialized (
  select o.*
  from page o
  where not exists (select from relay.fresh f where f.seq = o.seq)
    and not exists (select from relay.delivery d where d.event_seq = o.seq)
    and not exists (select from relay.unrouted u where u.event_seq = o.seq)
    and not exists (select from relay.attempt a where a.event_seq = o.seq)
    and o.expunged_at is null
    and ($4::timestamptz is null or o.created_at >= $4)
),
queued as (
  insert into relay.fresh (seq, size, ordering_hash)
  select
    seq,
    coalesce(octet_length(payload::text), octet_length(body), 0),
    hashtextextended(tenant || chr(31) || ordering_key, 0)
  from bypassed
  returning seq
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $3::text, 'event.requeue', 'events', json_build_object('number', count(*), 'first', min(seq), 'last', max(seq))
  from queued
  having count(*) > 0
)
select max(p.seq) as last_seq, (select count(*) from queued) as queued
from page p
having count(*) > 0
