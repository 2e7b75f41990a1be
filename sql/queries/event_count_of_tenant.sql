-- How many events a tenant has that are not expunged, and the last of them.
--
-- $1 tenant: whose
select count(*) as number, coalesce(max(seq), 0) as last_seq
from relay.outbox
where tenant = $1::text
  and not is_skeleton
