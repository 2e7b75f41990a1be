-- Select deliveries that have not ended well, for an operation. Returns how many.
--
-- $1 operation_id: the operation
-- $2 state: only in this state
-- $3 endpoint_id: only of this endpoint; null for all
-- $4 event_type: a type, or a pattern such as invoice.*; null for all
-- $5 tenant: only of this one; null for all
-- $6 since: only of events inserted then or later; null for all
-- $7 until: only of events inserted before; null for all
-- $8 reason: why it is dead or held; null for all
-- $9 status_code: of the last attempt; null for all
with matching as (
  select
    d.event_seq,
    d.endpoint_id,
    case
      when d.state in ('dead', 'cancelled') then d.state
      when d.claimed_by is not null and d.next_attempt_at > now() then 'in_flight'
      when c.event_id is not null then 'cancelled'
      when d.state = 'held'
        or e.state in ('paused', 'disabled')
        or exists (select from relay.pause p where p.tenant is null or p.tenant = e.tenant)
        or (e.id is not null and not exists (
          select from relay.endpoint_secret s
          where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now()))) then 'held'
      else d.state
    end as state
  from relay.delivery d
  join relay.outbox o on o.seq = d.event_seq
  left join relay.endpoint e on e.id = d.endpoint_id
  left join relay.cancellation c on c.event_id = o.id
  where not d.delivered_before
    and ($3::uuid is null or d.endpoint_id = $3)
    and (
      $4::text is null
      or o.event_type = $4
      or $4 = '*'
      or ($4 like '%.*' and starts_with(o.event_type, left($4, -1)))
    )
    and ($5::text is null or o.tenant = $5)
    and ($6::timestamptz is null or o.created_at >= $6)
    and ($7::timestamptz is null or o.created_at < $7)
    and ($8::text is null or d.reason = $8)
    and ($9::integer is null or d.last_status_code = $9)
),
chosen as (
  insert into relay.operation_delivery (operation_id, event_seq, endpoint_id)
  select $1::bigint, event_seq, endpoint_id
  from matching
  where state = $2::text
  returning 1
)
select count(*) as number
from chosen
