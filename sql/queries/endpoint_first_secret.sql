-- The secret that an endpoint was added with, as it is stored; no row if it does not sign any more, or not alone.
--
-- Relies on endpoint and secret being added by one statement, and so at one time.
--
-- $1 endpoint_id: the endpoint
select s.sealed, s.key_id
from relay.endpoint e
join relay.endpoint_secret s on s.endpoint_id = e.id
where e.id = $1::uuid
  and s.created_at = e.created_at
  and s.expires_at is null
