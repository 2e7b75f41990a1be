-- Take a day out of the log; false if somebody held the log for so long that it is left for another time.
--
-- $1 partition: as its table is called
select relay.detach_partition($1::text) as is_detached
