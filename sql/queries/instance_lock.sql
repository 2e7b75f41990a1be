-- Try to become the one active relay of this database. The lock goes with the connection.
select pg_try_advisory_lock(hashtext('relay'), hashtext('active')) as is_active
