-- Begin a session of the panel.
--
-- $1 session_hash: SHA-256 of its cookie
-- $2 token_id: as who
-- $3 lifetime: for how long
insert into relay.admin_session (session_hash, token_id, expires_at)
values ($1, $2, now() + $3::interval)
