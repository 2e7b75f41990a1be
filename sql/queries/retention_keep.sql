-- Keep the attempts of events of which deliveries are still there, from a day that was taken out of the log. Returns the
-- last event looked at; null: that was all.
--
-- $1 partition: as its table is called
-- $2 after_seq: the last event of the call before
-- $3 number: so many events at most
select relay.keep_attempts($1::text, $2::bigint, $3::integer) as last_seq
