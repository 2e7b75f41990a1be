-- Delete sessions and links that are over, and what was remembered of creations for a day.
with sessions as (
  delete from relay.admin_session
  where expires_at < now()
),
codes as (
  delete from relay.sign_in_code
  where expires_at < now()
)
delete from relay.idempotency_key
where created_at < now() - interval '1 day'
