-- Which process of the server this session talks to; with its start, since numbers are used again.
select a.pid, a.backend_start
from pg_stat_activity a
where a.pid = pg_backend_pid()
