-- Whether a relay is at work.
--
-- Relies on the active relay renewing last_seen_at every second or so.
select exists (
  select from relay.relay_instance where state = 'active' and last_seen_at > now() - interval '15 seconds'
) as is_relay_running
