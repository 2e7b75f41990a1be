-- Remember the code of a link that signs somebody in.
--
-- $1 code_hash: SHA-256 of it
-- $2 token_id: as who
-- $3 lifetime: for how long
insert into relay.sign_in_code (code_hash, token_id, expires_at)
values ($1, $2, now() + $3::interval)
