-- How many secrets of an endpoint sign now.
--
-- $1 id: the endpoint
select count(*) as signing
from relay.endpoint_secret
where endpoint_id = $1::uuid
  and (expires_at is null or expires_at > now())
