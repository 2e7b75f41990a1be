-- What is to be known of a database to say whether Relay can do its work there.
select
  (select tgenabled::text from pg_trigger where tgrelid = 'relay.outbox'::regclass and tgname = 'outbox_inserted')
    as trigger_enabled,
  (select count(*) from relay.fresh where xid >= pg_snapshot_xmax(pg_current_snapshot())) as fresh_from_elsewhere,
  (select coalesce(max(seq), 0) from relay.outbox) as last_seq,
  pg_sequence_last_value('relay.outbox_seq_seq') as next_seq,
  (select extract(epoch from now() - max(last_seen_at))::double precision
   from relay.relay_instance
   where state = 'active') as active_seen_ago,
  (select extract(epoch from now() - min(xact_start))::double precision
   from pg_stat_activity
   where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
     and backend_type = 'client backend') as oldest_transaction,
  (select extract(epoch from now() - min(prepared))::double precision
   from pg_prepared_xacts
   where database = current_database()) as oldest_prepared,
  to_regclass('relay.attempt_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')) is not null as has_partition,
  current_setting('autovacuum')::boolean as has_autovacuum,
  (select count(*)
   from relay.endpoint e
   where e.removed_at is null
     and not exists (
       select from relay.endpoint_secret s
       where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())
     )) as endpoints_without_secret,
  (select count(*) from relay.endpoint where removed_at is null and state = 'disabled') as endpoints_disabled
