-- End the server's process behind a broken connection of ours, and wait a moment for its end.
--
-- A server that has not noticed the break lets it keep the lock of the active relay.
--
-- $1 pid: of the server's process
-- $2 backend_start: when that process began
select pg_terminate_backend(a.pid, 500) as has_ended
from pg_stat_activity a
where a.pid = $1::integer
  and a.backend_start = $2::timestamptz
