-- The next secrets that the current master key has not sealed.
--
-- $1 key_id: the current one; null: none, and what is sealed is to be stored as it is
-- $2 after_id: the last one of the call before
-- $3 number: at most so many
-- $4 plain_only: only those that are not encrypted
select id, endpoint_id, sealed, key_id
from relay.endpoint_secret
where key_id is distinct from $1::text
  and id > $2::bigint
  and (not $4::boolean or key_id is null)
order by id
limit $3::bigint
