-- End an event well.
--
-- $1 seq: of the event, locked by this transaction
-- $2 state: done, or stale if it was not handled
update relay_inbox.event
set state = $2::text, next_attempt_at = null, ended_at = clock_timestamp(), error = null
where seq = $1::bigint
