-- The whole first schema: what applications write, what the relay keeps, and what people read.
-- breaking: no

create schema relay;

comment on schema relay is 'Transactional outbox: applications insert into relay.outbox, Relay delivers.';

-- ── Refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────
-- A CHECK constraint can only say its own name. Written as `condition or relay.refuse(...)` it costs nothing while the
-- condition holds, and says what is wrong and what to do when it does not. Volatile, since the planner would call
-- anything else once, with constants, to save calls.

create function relay.refuse(problem text, cure text) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'check_violation', message = problem, hint = cure;
end
$$;

create function relay.is_pattern_list(patterns text[]) returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_and(p is not null and p ~ '^(\*|[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(\.\*)?)$' and length(p) <= 255),
    false)
  from unnest(patterns) as p
$$;

-- ── Settings that the database itself enforces ─────────────────────────────────────────────────────────────────────

create table relay.setting (
  name text primary key,
  value bigint not null
);

comment on table relay.setting is 'Limits checked at insert; written by the relay from its configuration.';

insert into relay.setting values ('max_payload_bytes', 262144);

-- ── The outbox ─────────────────────────────────────────────────────────────────────────────────────────────────────

create table relay.outbox (
  seq bigint generated always as identity primary key,
  id uuid not null default gen_random_uuid() unique,
  event_type text not null,
  payload json,
  body bytea,
  content_type text,
  tenant text not null default '',
  ordering_key text,
  sequence bigint,
  endpoint_id uuid,
  headers json,
  deliver_at timestamptz,
  expires_at timestamptz,
  dedupe_key text,
  traceparent text,
  created_at timestamptz not null default clock_timestamp(),
  constraint event_type_is_dotted_name check (
    (event_type ~ '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$' and length(event_type) <= 255)
    or relay.refuse(
      format('event_type %L is not a dotted name', left(event_type, 100)),
      'Use letters, digits, "_" and "-" in parts joined by dots, at most 255 characters, as in invoice.paid.')
  ),
  constraint payload_or_body check (
    (payload is null) <> (body is null)
    or relay.refuse(
      'an event needs exactly one of payload and body',
      'Set payload to a JSON text, or body and content_type for what is not JSON.')
  ),
  constraint content_type_with_body check (
    content_type is null
    or (body is not null and content_type ~ '^[!#$%&''*+.^_`|~0-9a-zA-Z-]+/[ -~]+$' and length(content_type) <= 255)
    or relay.refuse(
      'content_type must be a media type and goes with body only',
      'Leave it out for a payload (it is sent as application/json), or give for example text/csv with body.')
  ),
  constraint headers_are_an_object check (
    headers is null
    or json_typeof(headers) = 'object'
    or relay.refuse('headers must be a JSON object of strings', 'Write for example {"X-Region": "eu"}.')
  ),
  constraint times_are_sensible check (
    (deliver_at between timestamptz '1970-01-01 00:00:00+00' and timestamptz '3000-01-01 00:00:00+00'
     and expires_at between timestamptz '1970-01-01 00:00:00+00' and timestamptz '3000-01-01 00:00:00+00') is not false
    or relay.refuse(
      'deliver_at and expires_at must lie between the years 1970 and 3000',
      'Leave deliver_at out to send at once, and expires_at out for an event that never expires.')
  ),
  constraint expires_after_deliver check (
    expires_at is null
    or deliver_at is null
    or expires_at > deliver_at
    or relay.refuse(
      'expires_at is not after deliver_at, so the event could never be sent',
      'Give a later expires_at, or leave it out.')
  ),
  constraint traceparent_is_w3c check (
    traceparent is null
    or traceparent ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
    or relay.refuse('traceparent is not a W3C trace context', 'Pass it on as received, or leave it out.')
  ),
  constraint keys_are_short check (
    (length(tenant) <= 255 and length(ordering_key) <= 255 and length(dedupe_key) <= 255) is not false
    or relay.refuse('tenant, ordering_key and dedupe_key take at most 255 characters', 'Use a hash of a longer key.')
  )
) with (
  vacuum_truncate = off,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02
);

create unique index outbox_dedupe on relay.outbox (tenant, dedupe_key) where dedupe_key is not null;

-- Events not yet fanned out. The transaction id is what "new since the last look" is told by: sequence numbers become
-- visible out of order, snapshots do not lie.
create table relay.fresh (
  xid xid8 not null default pg_current_xact_id(),
  seq bigint not null,
  size integer not null,
  after_endpoint uuid,
  primary key (xid, seq)
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 20000
);

comment on column relay.fresh.after_endpoint is 'An event for very many endpoints: fanned out up to this one.';

-- Until when (epoch seconds) the relay sleeps and wants a NOTIFY. A sequence, since it is read and set outside
-- transactions: a NOTIFY in every commit would serialise the commits of the whole database.
create sequence relay.armed_until minvalue 0 start 0;

create function relay.outbox_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  largest integer;
  allowed bigint;
begin
  with noted as (
    insert into relay.fresh (seq, size)
    select seq, coalesce(octet_length(payload::text), octet_length(body))
    from inserted
    returning size
  )
  select max(size) into largest from noted;
  select value into allowed from relay.setting where name = 'max_payload_bytes';
  if largest > allowed then
    raise exception using
      errcode = 'check_violation',
      message = format('an event of %s bytes is over the limit of %s bytes', largest, allowed),
      hint = 'Send a reference to the document instead, or raise delivery.max_payload_bytes in Relay''s configuration.';
  end if;
  if (select last_value from relay.armed_until) > extract(epoch from clock_timestamp()) then
    perform pg_notify('relay_wake', '');
  end if;
  return null;
end
$$;

create trigger outbox_inserted
after insert on relay.outbox
referencing new table as inserted
for each statement execute function relay.outbox_inserted();

-- ── The registry of endpoints ──────────────────────────────────────────────────────────────────────────────────────

-- One row, whose lock puts all changes of the registry in commit order. The relay reads it with every look and so
-- never fans an event out by an older registry than the event's own.
create table relay.registry (
  only_row boolean primary key default true check (only_row),
  version bigint not null default 1,
  reload_from bigint not null default 1
);

comment on column relay.registry.reload_from is 'A reader that knows an older version must read everything anew.';

insert into relay.registry default values;

create table relay.endpoint (
  id uuid primary key default gen_random_uuid(),
  url text not null,
  description text not null default '',
  tenant text not null default '',
  event_types text[] not null default '{*}',
  headers json not null default '{}',
  signature text not null default 'both' check (signature in ('both', 'x-webhook', 'standard')),
  timeout interval check (timeout > interval '0' and timeout <= interval '5 minutes'),
  max_in_flight integer check (max_in_flight > 0),
  retry_schedule interval[],
  store_response_body boolean not null default true,
  metadata json not null default '{}',
  state text not null default 'active' check (state in ('active', 'paused', 'disabled')),
  disabled_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  removed_at timestamptz,
  revision bigint not null default 0,
  constraint event_types_are_patterns check (
    relay.is_pattern_list(event_types)
    or relay.refuse(
      format('event_types %s has an entry that is no pattern', event_types),
      'Use an event type such as invoice.paid, a prefix such as invoice.*, or * for everything.')
  ),
  constraint retry_schedule_is_of_delays check (
    (array_position(retry_schedule, null) is null and interval '0' <= all (retry_schedule)) is not false
    or relay.refuse('retry_schedule has an entry that is no delay', 'List intervals such as 5 seconds, none of them null.')
  ),
  constraint headers_are_an_object check (json_typeof(headers) = 'object'),
  constraint metadata_is_an_object check (json_typeof(metadata) = 'object')
);

comment on column relay.endpoint.revision is 'The registry version at which this row was last changed.';
comment on column relay.endpoint.removed_at is 'Removed, and kept for the log; its waiting deliveries end dead.';

create table relay.endpoint_secret (
  id bigint generated always as identity primary key,
  endpoint_id uuid not null references relay.endpoint on delete cascade,
  sealed bytea not null,
  key_id text,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  constraint secret_is_whole check (
    key_id is not null
    or encode(sealed, 'escape') ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$'
    or relay.refuse(
      'a secret is whsec_ and the base64 of 24 to 64 bytes',
      'Copy the whole of one made by Relay or by a Standard Webhooks tool.')
  )
);

comment on column relay.endpoint_secret.key_id is 'The master key that sealed it; null: not encrypted.';

create index endpoint_secret_of on relay.endpoint_secret (endpoint_id);

-- endpoint.event_types exploded, so that SQL can ask who subscribes to a type by its prefixes.
create table relay.subscription (
  tenant text not null,
  pattern text not null,
  endpoint_id uuid not null references relay.endpoint on delete cascade,
  primary key (tenant, pattern, endpoint_id)
);

create index subscription_of on relay.subscription (endpoint_id);

-- Sending stopped by an operator, for one tenant or (null) for everything.
create table relay.pause (
  tenant text unique nulls not distinct,
  paused_at timestamptz not null default now(),
  paused_by text not null default current_user
);

-- What the relay finds out about an endpoint while it runs.
create table relay.endpoint_condition (
  endpoint_id uuid primary key references relay.endpoint on delete cascade,
  breaker text not null default 'closed' check (breaker in ('closed', 'open', 'half_open')),
  paused_until timestamptz
);

create function relay.endpoint_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    -- `set revision = revision` only makes the relay look; as text, since json has no equality.
    if new::text is distinct from old::text then
      new.updated_at := now();
    end if;
    if new.state <> 'disabled' then
      new.disabled_reason := null;
    end if;
  end if;
  update relay.registry set version = version + 1 returning version into new.revision;
  perform pg_notify('relay_wake', '');
  return new;
end
$$;

create trigger endpoint_changes
before insert or update on relay.endpoint
for each row execute function relay.endpoint_changes();

create function relay.endpoint_subscribes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from relay.subscription where endpoint_id = new.id;
  if new.removed_at is null then
    insert into relay.subscription (tenant, pattern, endpoint_id)
    select distinct new.tenant, pattern, new.id from unnest(new.event_types) as pattern;
  end if;
  return null;
end
$$;

create trigger endpoint_subscribes
after insert or update of tenant, event_types, removed_at on relay.endpoint
for each row execute function relay.endpoint_subscribes();

create function relay.endpoint_secret_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update relay.endpoint set revision = revision
  where id = case when tg_op = 'DELETE' then old.endpoint_id else new.endpoint_id end;
  return null;
end
$$;

create trigger endpoint_secret_changes
after insert or update or delete on relay.endpoint_secret
for each row execute function relay.endpoint_secret_changes();

create function relay.registry_reloads() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update relay.registry set version = version + 1, reload_from = version + 1;
  perform pg_notify('relay_wake', '');
  return null;
end
$$;

create trigger endpoint_deleted
after delete or truncate on relay.endpoint
for each statement execute function relay.registry_reloads();

create trigger pause_changes
after insert or update or delete or truncate on relay.pause
for each statement execute function relay.registry_reloads();

-- ── Deliveries and their log ───────────────────────────────────────────────────────────────────────────────────────

-- Every delivery that has not ended well. One column, next_attempt_at, is schedule, lease and recovery at once: when
-- the delivery is due, or until when the claim on it is good.
create table relay.delivery (
  event_seq bigint not null,
  endpoint_id uuid not null,
  state text not null default 'pending' check (state in ('pending', 'retrying', 'held', 'dead', 'cancelled')),
  reason text,
  next_attempt_at timestamptz,
  claimed_by bigint,
  claim integer not null default 0,
  recorded integer not null default 0,
  attempt integer not null default 0,
  window_attempt integer not null default 0,
  window_started_at timestamptz,
  trigger_type text not null default 'automatic'
    check (trigger_type in ('automatic', 'manual', 'replay', 'test')),
  delivered_before boolean not null default false,
  size integer not null,
  last_status_code integer,
  last_error_code text,
  last_error text,
  ended_at timestamptz,
  primary key (event_seq, endpoint_id),
  -- An infinite time cannot be counted down to.
  constraint next_attempt_is_finite check (isfinite(next_attempt_at)),
  constraint ended_is_not_scheduled check (state not in ('dead', 'cancelled') or next_attempt_at is null)
) with (
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 5000,
  autovacuum_vacuum_cost_delay = 1
);

comment on column relay.delivery.claim is 'Counts the claims; with the key it is the fence for a late writer.';
comment on column relay.delivery.recorded is 'The last claim whose outcome was written; the gap counts lost claims.';
comment on column relay.delivery.attempt is 'Attempts charged, over all windows.';
comment on column relay.delivery.window_started_at is 'First charged attempt of the current retry window.';
comment on column relay.delivery.delivered_before is 'Sent again on request: delivered already, and stays so.';

create index delivery_due on relay.delivery (endpoint_id, next_attempt_at) where next_attempt_at is not null;

-- The delivery log, append-only.
create table relay.attempt (
  event_seq bigint not null,
  endpoint_id uuid not null,
  claim integer not null,
  attempted_at timestamptz not null,
  attempt integer not null,
  duration_ms integer not null,
  status_code integer,
  stale boolean not null,
  ended boolean not null,
  outcome text not null,
  trigger_type text not null,
  error_code text,
  error text,
  url text not null,
  request_headers json not null,
  response_headers json,
  response_body text,
  next_attempt_at timestamptz,
  primary key (event_seq, endpoint_id, claim, attempted_at)
) partition by range (attempted_at);

comment on column relay.attempt.stale is 'The claim was no longer ours: it happened, and changed nothing.';
comment on column relay.attempt.ended is 'This attempt ended the delivery.';

create index attempt_time on relay.attempt using brin (attempted_at) with (pages_per_range = 32, autosummarize = on);

create table relay.attempt_default partition of relay.attempt default;

-- Makes the day partitions from today to `days` ahead (UTC days); returns how many are new. A day that cannot be made
-- at once is left for the next call: its rows are safe in the default partition.
create function relay.make_partitions(days integer default 14) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set timezone = 'UTC'
as $$
declare
  day date;
  name text;
  made integer := 0;
begin
  for day in select generate_series(current_date, current_date + days, interval '1 day')::date loop
    name := format('attempt_%s', to_char(day, 'YYYYMMDD'));
    continue when to_regclass('relay.' || name) is not null;
    begin
      execute format('create table relay.%I (like relay.attempt including defaults including constraints)', name);
      execute format(
        'alter table relay.attempt attach partition relay.%I for values from (%L) to (%L)',
        name, day::timestamptz, (day + 1)::timestamptz);
      made := made + 1;
    exception when lock_not_available or check_violation then
      raise notice 'partition % not made: %', name, sqlerrm;
    end;
  end loop;
  return made;
end
$$;

select relay.make_partitions();

-- Events that ended at fan-out, with no delivery to tell of them.
create table relay.unrouted (
  event_seq bigint primary key,
  reason text not null check (reason in ('no_subscription', 'cancelled', 'unprocessable')),
  detail text,
  noted_at timestamptz not null default now()
);

create table relay.cancellation (
  event_id uuid primary key,
  cancelled_at timestamptz not null default now()
);

-- ── The running relays, and who did what ───────────────────────────────────────────────────────────────────────────

create table relay.relay_instance (
  id bigint generated always as identity primary key,
  host text not null,
  boot_id text not null,
  pid integer not null,
  process_started text not null,
  version text not null,
  state text not null default 'standby' check (state in ('standby', 'active', 'stopped')),
  started_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);

comment on column relay.relay_instance.process_started is 'Start time of the process in clock ticks since boot.';

create table relay.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  object text not null,
  detail json
);

create table relay.admin_token (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  token_hash bytea not null unique,
  scopes text[] not null,
  tenant text,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

-- ── Functions for applications ─────────────────────────────────────────────────────────────────────────────────────

create function relay.event_of_dedupe_key(of_tenant text, of_key text) returns uuid
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select id from relay.outbox where tenant = of_tenant and dedupe_key = of_key
$$;

comment on function relay.event_of_dedupe_key is 'The event that holds a dedupe key; null if none does.';

create function relay.publish(
  event_type text,
  payload json,
  id uuid default null,
  tenant text default '',
  ordering_key text default null,
  sequence bigint default null,
  endpoint_id uuid default null,
  headers json default null,
  deliver_at timestamptz default null,
  expires_at timestamptz default null,
  dedupe_key text default null,
  traceparent text default null
) returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  event_id uuid := coalesce(publish.id, gen_random_uuid());
  first_id uuid;
begin
  if publish.dedupe_key is null then
    insert into relay.outbox (
      id, event_type, payload, tenant, ordering_key, sequence, endpoint_id, headers,
      deliver_at, expires_at, traceparent)
    values (
      event_id, publish.event_type, publish.payload, publish.tenant, publish.ordering_key, publish.sequence,
      publish.endpoint_id, publish.headers, publish.deliver_at, publish.expires_at, publish.traceparent);
    return event_id;
  end if;
  insert into relay.outbox (
    id, event_type, payload, tenant, ordering_key, sequence, endpoint_id, headers,
    deliver_at, expires_at, dedupe_key, traceparent)
  values (
    event_id, publish.event_type, publish.payload, publish.tenant, publish.ordering_key, publish.sequence,
    publish.endpoint_id, publish.headers, publish.deliver_at, publish.expires_at, publish.dedupe_key,
    publish.traceparent)
  on conflict do nothing;
  if found then
    return event_id;
  end if;
  first_id := relay.event_of_dedupe_key(publish.tenant, publish.dedupe_key);
  if first_id is null then
    raise exception using
      errcode = 'unique_violation',
      message = format('an event with id %s exists already', event_id),
      hint = 'Leave id out, or use a new one; to publish at most once, give a dedupe_key.';
  end if;
  return first_id;
end
$$;

create function relay.publish(
  event_type text,
  payload text,
  id uuid default null,
  tenant text default '',
  ordering_key text default null,
  sequence bigint default null,
  endpoint_id uuid default null,
  headers json default null,
  deliver_at timestamptz default null,
  expires_at timestamptz default null,
  dedupe_key text default null,
  traceparent text default null
) returns uuid
language sql
set search_path = pg_catalog, pg_temp
as $$
  select relay.publish($1, $2::json, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
$$;

create function relay.publish(
  event_type text,
  payload jsonb,
  id uuid default null,
  tenant text default '',
  ordering_key text default null,
  sequence bigint default null,
  endpoint_id uuid default null,
  headers json default null,
  deliver_at timestamptz default null,
  expires_at timestamptz default null,
  dedupe_key text default null,
  traceparent text default null
) returns uuid
language sql
set search_path = pg_catalog, pg_temp
as $$
  select relay.publish($1, $2::text::json, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
$$;

comment on function relay.publish(text, json, uuid, text, text, bigint, uuid, json, timestamptz, timestamptz, text, text)
is 'Inserts one event in the caller''s transaction and returns its id; with a dedupe_key, the first one''s.';

create function relay.cancel(event_id uuid) returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into relay.cancellation (event_id) values (cancel.event_id) on conflict do nothing
$$;

comment on function relay.cancel is 'Withdraws what of an event has not been claimed when the transaction commits.';

-- ── Views for people ───────────────────────────────────────────────────────────────────────────────────────────────

create view relay.delivery_log as
select
  o.id as event_id,
  o.event_type,
  a.endpoint_id,
  a.url,
  a.attempt,
  a.trigger_type,
  a.stale,
  a.status_code,
  a.error_code,
  a.error,
  a.request_headers,
  coalesce(o.payload::text, encode(o.body, 'escape')) as request_body,
  a.response_headers,
  a.response_body,
  a.duration_ms,
  a.attempted_at,
  a.next_attempt_at,
  a.outcome
from relay.attempt a
left join relay.outbox o on o.seq = a.event_seq;

create view relay.delivery_status as
-- not ended well, or not yet
select
  o.id as event_id,
  d.endpoint_id,
  o.event_type,
  o.tenant,
  case
    when d.state in ('dead', 'cancelled') then d.state
    when d.claimed_by is not null and d.next_attempt_at > now() then 'in_flight'
    when c.event_id is not null then 'cancelled'
    when d.state = 'held' or hold.reason is not null then 'held'
    else d.state
  end as state,
  case
    when d.state in ('dead', 'cancelled', 'held') then d.reason
    when c.event_id is not null then null
    when hold.reason is not null then hold.reason
    when d.state = 'pending' and o.deliver_at > now() then 'deliver_at'
  end as reason,
  d.attempt as attempts,
  d.last_status_code,
  coalesce(d.last_error, d.last_error_code) as last_error,
  case when d.claimed_by is null then d.next_attempt_at end as next_attempt_at,
  o.created_at,
  d.ended_at
from relay.delivery d
left join relay.outbox o on o.seq = d.event_seq
left join relay.endpoint e on e.id = d.endpoint_id
left join relay.cancellation c on c.event_id = o.id
left join lateral (
  select case
    -- it is about to end dead
    when e.id is null or e.removed_at is not null then null
    when e.state = 'paused' then 'endpoint_paused'
    when e.state = 'disabled' then 'endpoint_disabled'
    when exists (select from relay.pause p where p.tenant is null or p.tenant = e.tenant) then 'sending_paused'
    when not exists (
      select from relay.endpoint_secret s
      where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())) then 'secret_missing'
  end as reason
) hold on true
where not d.delivered_before
union all
-- ended well
select
  o.id, a.endpoint_id, o.event_type, o.tenant, 'delivered', null, a.attempt, a.status_code, null, null,
  o.created_at, a.attempted_at + a.duration_ms * interval '1 ms'
from relay.attempt a
join relay.outbox o on o.seq = a.event_seq
where a.outcome = 'delivered' and a.ended
union all
-- not fanned out yet
select
  o.id, null, o.event_type, o.tenant,
  case when c.event_id is null then 'pending' else 'cancelled' end, null, 0, null, null, o.deliver_at,
  o.created_at, null
from relay.fresh f
join relay.outbox o on o.seq = f.seq
left join relay.cancellation c on c.event_id = o.id
union all
-- ended at fan-out
select
  o.id, null, o.event_type, o.tenant,
  case u.reason when 'no_subscription' then 'unrouted' when 'unprocessable' then 'dead' else 'cancelled' end,
  u.reason, 0, null, u.detail, null, o.created_at, u.noted_at
from relay.unrouted u
join relay.outbox o on o.seq = u.event_seq;

create view relay.endpoint_health as
select
  e.id as endpoint_id,
  e.url,
  case when e.removed_at is not null then 'removed' else e.state end as state,
  lately.success_ratio,
  coalesce(lately.attempts, 0) as attempts,
  coalesce(now_waiting.pending, 0) as pending,
  coalesce(now_waiting.retrying, 0) as retrying,
  coalesce(now_waiting.held, 0) as held,
  coalesce(now_waiting.dead, 0) as dead,
  now_waiting.oldest_waiting,
  coalesce(k.breaker, 'closed') as breaker,
  k.paused_until
from relay.endpoint e
left join relay.endpoint_condition k on k.endpoint_id = e.id
left join (
  select
    endpoint_id,
    count(*) as attempts,
    round(count(*) filter (where outcome = 'delivered')::numeric / count(*), 4) as success_ratio
  from relay.attempt
  where attempted_at > now() - interval '5 minutes'
  group by endpoint_id
) lately on lately.endpoint_id = e.id
left join (
  select
    s.endpoint_id,
    count(*) filter (where s.state in ('pending', 'in_flight')) as pending,
    count(*) filter (where s.state = 'retrying') as retrying,
    count(*) filter (where s.state = 'held') as held,
    count(*) filter (where s.state = 'dead') as dead,
    min(s.created_at) filter (where s.state in ('pending', 'in_flight', 'retrying', 'held')) as oldest_waiting
  from relay.delivery_status s
  where s.state in ('pending', 'in_flight', 'retrying', 'held', 'dead')
  group by s.endpoint_id
) now_waiting on now_waiting.endpoint_id = e.id;

create view relay.backlog as
select state, count(*) as deliveries, now() - min(created_at) as oldest_age
from relay.delivery_status
where state in ('pending', 'in_flight', 'retrying', 'held', 'dead')
group by state;

revoke all on all functions in schema relay from public;
