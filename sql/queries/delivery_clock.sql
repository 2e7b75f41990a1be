-- What time it is for the log: attempts carry the database's clock.
select now() as now
