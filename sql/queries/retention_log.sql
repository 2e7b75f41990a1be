-- The oldest day of the log that ended before a moment, as its table is called; null if there is none.
--
-- $1 before: the moment
select relay.oldest_partition($1::timestamptz) as partition
