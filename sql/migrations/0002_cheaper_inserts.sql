-- The rules of the outbox move into its trigger's one statement: PostgreSQL makes every CHECK ready anew with each
-- INSERT, which for these cost more than all the rest of a single row. What is refused, and how, stays the same.
-- breaking: no

-- ── The limit ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- Looking relay.setting up costs a single row's insert a tenth. Here the limit is a constant in the plan, which is made
-- anew when the function is replaced. Stable: of an immutable one the planner would keep the result, and not notice.

create function relay.max_payload_bytes() returns bigint
language sql stable
return 262144::bigint;

create function relay.max_payload_bytes_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    'create or replace function relay.max_payload_bytes() returns bigint language sql stable return %s::bigint',
    new.value);
  return null;
end
$$;

create trigger max_payload_bytes_changes
after insert or update on relay.setting
for each row when (new.name = 'max_payload_bytes')
execute function relay.max_payload_bytes_changes();

update relay.setting set value = value where name = 'max_payload_bytes';

-- ── The rules ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- The first rule that an event breaks, or null. The planner puts the body in the place of the call, which needs it to
-- be one expression, of arguments that are used as they are; its operators are those of this moment, whoever calls.

create function relay.broken_rule(
  event_type text,
  payload json,
  body bytea,
  content_type text,
  tenant text,
  ordering_key text,
  headers json,
  deliver_at timestamptz,
  expires_at timestamptz,
  dedupe_key text,
  traceparent text
) returns text
language sql immutable
return case
  when content_type is not null and not (
    body is not null
    and content_type ~ '^[!#$%&''*+.^_`|~0-9a-zA-Z-]+/[ -~]+$'
    and length(content_type) <= 255
  ) then 'content_type_with_body'
  when not (event_type ~ '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$' and length(event_type) <= 255)
    then 'event_type_is_dotted_name'
  when expires_at <= deliver_at then 'expires_after_deliver'
  when json_typeof(headers) <> 'object' then 'headers_are_an_object'
  when greatest(length(tenant), length(ordering_key), length(dedupe_key)) > 255 then 'keys_are_short'
  when (payload is null) = (body is null) then 'payload_or_body'
  when not (
    deliver_at between timestamptz '1970-01-01 00:00:00+00' and timestamptz '3000-01-01 00:00:00+00'
    and expires_at between timestamptz '1970-01-01 00:00:00+00' and timestamptz '3000-01-01 00:00:00+00'
  ) then 'times_are_sensible'
  when traceparent !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' then 'traceparent_is_w3c'
end;

-- Strict: not called while no rule is broken.
create function relay.refuse_event(broken_rule text, event_type text) returns integer
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  problem text;
  cure text;
begin
  select r.problem, r.cure
  into strict problem, cure
  from (values
    ('content_type_with_body',
     'content_type must be a media type and goes with body only',
     'Leave it out for a payload (it is sent as application/json), or give for example text/csv with body.'),
    ('event_type_is_dotted_name',
     format('event_type %L is not a dotted name', left(event_type, 100)),
     'Use letters, digits, "_" and "-" in parts joined by dots, at most 255 characters, as in invoice.paid.'),
    ('expires_after_deliver',
     'expires_at is not after deliver_at, so the event could never be sent',
     'Give a later expires_at, or leave it out.'),
    ('headers_are_an_object',
     'headers must be a JSON object of strings',
     'Write for example {"X-Region": "eu"}.'),
    ('keys_are_short',
     'tenant, ordering_key and dedupe_key take at most 255 characters',
     'Use a hash of a longer key.'),
    ('payload_or_body',
     'an event needs exactly one of payload and body',
     'Set payload to a JSON text, or body and content_type for what is not JSON.'),
    ('times_are_sensible',
     'deliver_at and expires_at must lie between the years 1970 and 3000',
     'Leave deliver_at out to send at once, and expires_at out for an event that never expires.'),
    ('traceparent_is_w3c',
     'traceparent is not a W3C trace context',
     'Pass it on as received, or leave it out.')
  ) as r(rule, problem, cure)
  where r.rule = broken_rule;
  raise exception using errcode = 'check_violation', message = problem, hint = cure;
end
$$;

create function relay.refuse_size(size integer, allowed bigint) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'check_violation',
    message = format('an event of %s bytes is over the limit of %s bytes', size, allowed),
    hint = 'Send a reference to the document instead, or raise delivery.max_payload_bytes in Relay''s configuration.';
end
$$;

-- ── The outbox ─────────────────────────────────────────────────────────────────────────────────────────────────────

-- As few statements as can be: each costs a single row's insert a tenth, and so does a subquery that is not part of the
-- scan. Hence the look at the sequence by a function and not by a query; it is null until the sequence is first set.
-- The offset keeps the planner from copying a payload as often as its size is used.
create or replace function relay.outbox_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into relay.fresh (seq, size)
  select
    seq,
    coalesce(
      relay.refuse_event(
        relay.broken_rule(
          event_type, payload, body, content_type, tenant, ordering_key, headers, deliver_at, expires_at,
          dedupe_key, traceparent),
        event_type),
      case when size > relay.max_payload_bytes() then relay.refuse_size(size, relay.max_payload_bytes()) end,
      size)
  from (select *, coalesce(octet_length(payload::text), octet_length(body)) as size from inserted offset 0) as i;
  if to_timestamp(pg_sequence_last_value('relay.armed_until')) > clock_timestamp() then
    perform pg_notify('relay_wake', '');
  end if;
  return null;
end
$$;

create function relay.outbox_updated() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform relay.refuse_event(
    relay.broken_rule(
      event_type, payload, body, content_type, tenant, ordering_key, headers, deliver_at, expires_at,
      dedupe_key, traceparent),
    event_type)
  from updated;
  return null;
end
$$;

create trigger outbox_updated
after update on relay.outbox
referencing new table as updated
for each statement execute function relay.outbox_updated();

alter table relay.outbox
  drop constraint content_type_with_body,
  drop constraint event_type_is_dotted_name,
  drop constraint expires_after_deliver,
  drop constraint headers_are_an_object,
  drop constraint keys_are_short,
  drop constraint payload_or_body,
  drop constraint times_are_sensible,
  drop constraint traceparent_is_w3c;

-- ── Rights ─────────────────────────────────────────────────────────────────────────────────────────────────────────
-- The trigger runs as its owner, who must be able to call what is new also when a superuser migrates.

do $$
declare
  command text;
begin
  for command in
    select format('alter routine %s owner to %s', p.oid::regprocedure, t.proowner::regrole)
    from pg_proc p
    join pg_proc t on t.oid = 'relay.outbox_inserted'::regproc
    where p.pronamespace = 'relay'::regnamespace and p.proowner <> t.proowner
  loop
    execute command;
  end loop;
end
$$;

revoke all on all functions in schema relay from public;
