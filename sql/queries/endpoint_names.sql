-- What endpoints are called, those that were removed included.
--
-- $1 endpoint_ids: the endpoints
select
  id,
  coalesce(nullif(description, ''), url) as name
from relay.endpoint
where id = any($1::uuid[])
