-- Have an event wait for the versions before it.
--
-- $1 seq: of the event, locked by this transaction
-- $2 delay: for how long at most
update relay_inbox.event
set next_attempt_at = clock_timestamp() + $2::interval
where seq = $1::bigint
