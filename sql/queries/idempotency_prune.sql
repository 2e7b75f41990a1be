-- Forget keys that are older than a day.
delete from relay.idempotency_key
where created_at < now() - interval '1 day'
