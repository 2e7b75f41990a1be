-- Take a key's turn until the end of the transaction, and say whether it was free.
--
-- $1 lock: a hash of source and key
select pg_try_advisory_xact_lock($1::bigint)
