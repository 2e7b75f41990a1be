-- Drop a day that was taken out of the log.
--
-- $1 partition: as its table is called
select relay.drop_partition($1::text)
