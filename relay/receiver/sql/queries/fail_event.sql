-- Write down that an event's handler failed, and when it is called again.
-- Nothing changes if somebody else has counted a failure meanwhile, or has ended the event.
--
-- $1 seq: of the event
-- $2 failures: before this one
-- $3 error: what to tell a person
-- $4 delay: until the next attempt; null: no more, it is dead
update relay_inbox.event
set
  failures = failures + 1,
  error = $3::text,
  state = case when $4::interval is null then 'dead' else 'waiting' end,
  next_attempt_at = clock_timestamp() + $4::interval,
  ended_at = case when $4::interval is null then clock_timestamp() end
where seq = $1::bigint
and state = 'waiting'
and failures = $2::integer
