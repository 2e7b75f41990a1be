-- The next events of a tenant that are not expunged, in the order of their seq.
--
-- $1 tenant: whose
-- $2 after_seq: the last event of the call before
-- $3 until_seq: none after this one
-- $4 number: at most so many
select seq, id
from relay.outbox
where tenant = $1::text
  and not is_skeleton
  and seq > $2::bigint
  and seq <= $3::bigint
order by seq
limit $4::bigint
