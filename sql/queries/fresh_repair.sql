-- After a restore into another cluster fresh rows may carry transaction ids of the future and would stay invisible.
update relay.fresh
set xid = default
where xid >= pg_snapshot_xmax(pg_current_snapshot())
