-- Keep others from letting the same events be fanned out, until the end of the transaction.
select pg_advisory_xact_lock(hashtext('relay.doctor_requeue'))
