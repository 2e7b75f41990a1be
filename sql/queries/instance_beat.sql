-- Say that this process lives, and in which role; return whether an operation is to be worked on.
-- It comes along here, so that a relay that has nothing to do need not ask for it in a statement of its own.
--
-- $1 instance: who we are
-- $2 state: standby, active or stopped
update relay.relay_instance
set
  last_seen_at = now(),
  state = $2
where id = $1::bigint
returning exists(select from relay.operation where state = 'running') as has_operation
