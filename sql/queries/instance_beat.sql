-- Say that this process lives, and in which role.
--
-- $1 instance: who we are
-- $2 state: standby, active or stopped
update relay.relay_instance
set
  last_seen_at = now(),
  state = $2
where id = $1::bigint
