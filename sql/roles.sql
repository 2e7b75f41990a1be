-- The four roles of Relay's schema and what each may do. Run it with psql as a superuser, after `relay migrate up`:
--
--   psql --dbname=APP --file=roles.sql
--
-- It may be run again at any time, and says the same thing each time: rights that are not listed here are taken away.
-- The roles cannot log in. Give them to those who can:
--
--   grant relay_app to my_application;        -- publishes events, in its own transactions
--   grant relay_daemon to relay;              -- the login in [database] dsn of the relay and its command line
--   grant relay_reader to my_dashboard;       -- reads the views
--   create role relay_migrator login;         -- for `relay migrate up`, so that what it creates is the owner's
--   grant relay_owner to relay_migrator;
--   alter role relay_migrator in database APP set role = 'relay_owner';

\set ON_ERROR_STOP on

begin;

set local lock_timeout = '5s';
set local search_path = pg_catalog, pg_temp;

do $$
declare
  name text;
begin
  if to_regclass('relay.schema_migration') is null then
    raise exception 'there is no schema relay in database %', current_database() using hint = 'Run relay migrate up first.';
  end if;
  foreach name in array array['relay_owner', 'relay_app', 'relay_daemon', 'relay_reader'] loop
    if to_regrole(name) is null then
      execute format('create role %I nologin', name);
    end if;
  end loop;
end
$$;

-- Owner: everything in the schema. Only what has another owner is touched, since it takes an exclusive lock.
do $$
declare
  command text;
begin
  for command in
    select format('alter schema %I owner to relay_owner', nspname)
    from pg_namespace
    where nspname = 'relay' and nspowner <> 'relay_owner'::regrole
    union all
    select format('alter table relay.%I owner to relay_owner', relname)
    from pg_class
    where relnamespace = 'relay'::regnamespace and relowner <> 'relay_owner'::regrole and relkind in ('r', 'p', 'v')
    union all
    -- those of identity columns go with their table
    select format('alter sequence relay.%I owner to relay_owner', relname)
    from pg_class c
    where relnamespace = 'relay'::regnamespace and relowner <> 'relay_owner'::regrole and relkind = 'S'
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i'))
    union all
    select format('alter routine %s owner to relay_owner', oid::regprocedure)
    from pg_proc
    where pronamespace = 'relay'::regnamespace and proowner <> 'relay_owner'::regrole
  loop
    execute command;
  end loop;
end
$$;

revoke all on schema relay from public, relay_app, relay_daemon, relay_reader;
revoke all on all tables in schema relay from public, relay_app, relay_daemon, relay_reader;
revoke all on all sequences in schema relay from public, relay_app, relay_daemon, relay_reader;
revoke all on all routines in schema relay from public, relay_app, relay_daemon, relay_reader;

grant usage on schema relay to relay_app, relay_daemon, relay_reader;

-- Application: adds events, and sees nothing of them but id and seq, for RETURNING. The functions refuse and
-- is_pattern_list are called by constraints with the rights of whoever inserts.
grant
  insert (
    id, event_type, payload, body, content_type, tenant, ordering_key, sequence, endpoint_id, headers, deliver_at,
    expires_at, dedupe_key, traceparent),
  select (id, seq)
on relay.outbox to relay_app;

-- Relay: rows of every table; of the registry and the migrations it only reads, and partitions it has made for it.
grant select, insert, update, delete on
  relay.outbox,
  relay.fresh,
  relay.setting,
  relay.endpoint,
  relay.endpoint_secret,
  relay.endpoint_condition,
  relay.pause,
  relay.delivery,
  relay.attempt,
  relay.unrouted,
  relay.cancellation,
  relay.relay_instance,
  relay.audit,
  relay.admin_token
to relay_daemon;
grant select on relay.registry, relay.subscription, relay.schema_migration to relay_daemon;
grant usage, select, update on sequence relay.armed_until to relay_daemon;
do $$
begin
  -- the schema may be older than this file
  if to_regclass('relay.look_number') is not null then
    grant usage on sequence relay.look_number to relay_daemon;
  end if;
  if to_regclass('relay.last_look') is not null then
    grant select, update on relay.last_look to relay_daemon;
  end if;
  if to_regclass('relay.operation') is not null then
    grant select, insert, update, delete on relay.operation, relay.operation_delivery, relay.attempt_default
    to relay_daemon;
    grant select on relay.event to relay_reader, relay_daemon;
    grant select on sequence relay.outbox_seq_seq to relay_daemon;
    grant execute on function
      relay.log_begins(), relay.oldest_partition(timestamptz), relay.check_is_over(text), relay.detach_partition(text),
      relay.keep_attempts(text, bigint, integer), relay.drop_partition(text)
    to relay_daemon;
  end if;
  if to_regclass('relay.alert') is not null then
    grant select, insert, update, delete on
      relay.admin_session, relay.sign_in_code, relay.idempotency_key, relay.alert
    to relay_daemon;
  end if;
end
$$;
grant execute on function relay.make_partitions(integer) to relay_daemon;

-- Reader: the views, which see the tables with their owner's rights.
grant select on
  relay.delivery_log,
  relay.delivery_status,
  relay.endpoint_health,
  relay.backlog
to relay_reader, relay_daemon;

grant execute on function
  relay.refuse(text, text),
  relay.is_pattern_list(text[]),
  relay.publish(text, json, uuid, text, text, bigint, uuid, json, timestamptz, timestamptz, text, text),
  relay.publish(text, text, uuid, text, text, bigint, uuid, json, timestamptz, timestamptz, text, text),
  relay.publish(text, jsonb, uuid, text, text, bigint, uuid, json, timestamptz, timestamptz, text, text),
  relay.event_of_dedupe_key(text, text),
  relay.cancel(uuid)
to relay_app, relay_daemon;

commit;
