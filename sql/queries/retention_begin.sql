-- What time it is: all of a round goes by it.
select now() as now
