-- Take a key for something that is about to be created, in the transaction that creates it; or return what was created
-- under it before. Whoever comes at the same moment waits here until the other has committed.
--
-- $1 token_id: whose key
-- $2 key: as the program chose it
-- $3 request_hash: SHA-256 of the request
-- $4 object_id: of what is about to be created
insert into relay.idempotency_key as k (token_id, key, request_hash, object_id)
values ($1::uuid, $2::text, $3::bytea, $4::uuid)
on conflict (token_id, key) do update
set created_at = k.created_at
returning object_id, request_hash
