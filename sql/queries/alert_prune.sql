-- Forget alerts that have been over for long.
--
-- $1 keep: seconds that they are kept
delete from relay.alert
where raised_at < now() - $1::double precision * interval '1 second'
  and cleared_at < now() - $1::double precision * interval '1 second'
