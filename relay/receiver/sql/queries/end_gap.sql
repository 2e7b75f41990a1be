-- Have the event that waited for a gap of its key come now, since the gap is closed.
--
-- $1 source: of the key
-- $2 ordering_key: the key
-- $3 version: the one after what was handled
update relay_inbox.event
set next_attempt_at = clock_timestamp()
where source = $1::text
and ordering_key = $2::text
and state = 'waiting'
and coalesce(version, 9223372036854775807) = $3::bigint
and failures = 0
and next_attempt_at > clock_timestamp()
