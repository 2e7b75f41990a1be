-- Wake the workers of other processes, once the events are committed.
--
-- $1 source: of the events
select pg_notify('relay_inbox', $1::text)
