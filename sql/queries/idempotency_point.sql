-- Let a key stand for what was there already, and not for what was about to be created.
--
-- $1 token_id: whose key
-- $2 key: as the program chose it
-- $3 object_id: what was there
update relay.idempotency_key
set object_id = $3::uuid
where token_id = $1::uuid
  and key = $2::text
