-- Let a relay that sleeps look for work.
select pg_notify('relay_wake', '')
