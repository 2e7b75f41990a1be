-- Ask applications' commits for a NOTIFY, for so many seconds; zero or less stops asking.
--
-- $1 seconds: how long
select setval('relay.armed_until', floor(extract(epoch from clock_timestamp()) + $1::double precision)::bigint)
