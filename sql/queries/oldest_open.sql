-- The snapshot now: to know whether everything that was in progress at an earlier moment has ended.
select pg_snapshot_xmin(pg_current_snapshot())::text as xmin, pg_snapshot_xmax(pg_current_snapshot())::text as xmax
