-- Return the keys that have held events: their number counts, not that of the events.
--
-- $1 source: of the events
with recursive found as (
  (
    select e.ordering_key
    from relay_inbox.event e
    where e.source = $1::text
    and e.state = 'waiting'
    and e.ordering_key is not null
    and e.next_attempt_at = 'infinity'
    order by e.ordering_key
    limit 1)
  union all
  select (
    select e.ordering_key
    from relay_inbox.event e
    where e.source = $1::text
    and e.state = 'waiting'
    and e.ordering_key > found.ordering_key
    and e.next_attempt_at = 'infinity'
    order by e.ordering_key
    limit 1)
  from found
  where found.ordering_key is not null
)
select ordering_key
from found
where ordering_key is not null
