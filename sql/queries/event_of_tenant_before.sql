-- A tenant's newest event at a place or before it; no row if there is none.
--
-- $1 tenant: whose
-- $2 seq: the place
select seq, id
from relay.outbox
where tenant = $1::text
  and seq <= $2::bigint
order by seq desc
limit 1
