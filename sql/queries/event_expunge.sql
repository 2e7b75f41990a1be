-- Take the contents of events away, for good: payload, body, headers and keys, and what receivers answered. Returns for
-- each what became of the wish: expunged, already, waiting, in_flight or not_found.
--
-- What is left tells that there was an event, where it was sent, when, and how that ended. One of which deliveries wait is
-- refused unless they are withdrawn with it; one that is in flight, or that somebody else holds locked, is left alone.
-- Whoever schedules a delivery of it at the same moment finds it withdrawn when it is claimed.
--
-- $1 event_ids: the events
-- $2 withdraw: whether deliveries that wait end as cancelled
-- $3 actor: who does it
with asked as materialized (
  select distinct id
  from unnest($1::uuid[]) as a(id)
),
present as materialized (
  select o.id, o.seq, o.is_skeleton as was_expunged
  from relay.outbox o
  where o.id in (select id from asked)
  order by o.seq
  for update skip locked
),
waiting as materialized (
  select p.seq, d.endpoint_id, d.claimed_by
  from present p
  join relay.delivery d on d.event_seq = p.seq
  where d.state not in ('dead', 'cancelled')
),
ended as materialized (
  select d.event_seq, d.endpoint_id
  from waiting w
  join relay.delivery d on d.event_seq = w.seq and d.endpoint_id = w.endpoint_id
  where $2::boolean
    and d.claimed_by is null
    and d.state not in ('dead', 'cancelled')
  for update of d skip locked
),
fresh as materialized (
  select p.seq
  from present p
  join relay.fresh f on f.seq = p.seq
),
taken as materialized (
  select f.seq
  from relay.fresh f
  where $2
    and f.seq in (select seq from fresh)
  for update skip locked
),
free as materialized (
  select p.id, p.seq
  from present p
  where not p.was_expunged
    and not exists (
      select from waiting w
      where w.seq = p.seq
        and not exists (select from ended e where e.event_seq = w.seq and e.endpoint_id = w.endpoint_id)
    )
    and not exists (
      select from fresh f
      where f.seq = p.seq
        and not exists (select from taken t where t.seq = f.seq)
    )
),
withdrawn as (
  update relay.delivery d
  set
    state = 'cancelled',
    reason = null,
    next_attempt_at = null,
    last_error = null,
    claim = d.claim + 1,
    recorded = d.claim + 1,
    ended_at = now()
  from ended e
  join free f on f.seq = e.event_seq
  where d.event_seq = e.event_seq
    and d.endpoint_id = e.endpoint_id
),
unfanned as (
  delete from relay.fresh f
  using taken t
  join free on free.seq = t.seq
  where f.seq = t.seq
  returning f.seq
),
noted_end as (
  insert into relay.unrouted (event_seq, reason)
  select seq, 'cancelled'
  from unfanned
  on conflict do nothing
),
emptied as (
  update relay.outbox o
  set
    payload = 'null',
    body = null,
    content_type = null,
    headers = null,
    ordering_key = null,
    dedupe_key = null,
    traceparent = null,
    expunged_at = coalesce(o.expunged_at, now()),
    is_skeleton = true
  from free f
  where o.seq = f.seq
  returning o.id
),
silenced as (
  update relay.attempt a
  set
    request_headers = '{}',
    response_headers = null,
    response_body = null,
    error = null
  from free f
  where a.event_seq = f.seq
),
forgotten as (
  update relay.delivery d
  set last_error = null
  from free f
  where d.event_seq = f.seq
    and d.state in ('dead', 'cancelled')
),
untold as (
  update relay.unrouted u
  set detail = null
  from free f
  where u.event_seq = f.seq
),
noted as (
  insert into relay.audit (actor, action, object)
  select $3::text, 'event.expunge', id::text
  from emptied
)
select
  a.id as event_id,
  case
    when e.id is not null then 'expunged'
    when p.was_expunged then 'already'
    when p.id is null and not exists (select from relay.outbox o where o.id = a.id) then 'not_found'
    when p.id is null or $2 then 'in_flight'
    else 'waiting'
  end as result
from asked a
left join present p using (id)
left join emptied e using (id)
