-- Let a standby take over.
select pg_advisory_unlock(hashtext('relay'), hashtext('active')) as was_active
