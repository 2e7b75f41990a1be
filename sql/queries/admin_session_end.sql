-- End a session of the panel.
--
-- $1 session_hash: SHA-256 of its cookie
delete from relay.admin_session
where session_hash = $1
