-- Relay's schema as the migrations leave it, to be read: `make schema` writes it, nothing runs it.
-- The day partitions of relay.attempt are left out.

-- Name: relay; Type: SCHEMA; Schema: -

CREATE SCHEMA relay;

-- Name: SCHEMA relay; Type: COMMENT; Schema: -

COMMENT ON SCHEMA relay IS 'Transactional outbox: applications insert into relay.outbox, Relay delivers.';

-- Name: broken_rule(text, json, bytea, text, text, text, json, timestamp with time zone, timestamp with time zone, text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.broken_rule(event_type text, payload json, body bytea, content_type text, tenant text, ordering_key text, headers json, deliver_at timestamp with time zone, expires_at timestamp with time zone, dedupe_key text, traceparent text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((content_type IS NOT NULL) AND (NOT ((body IS NOT NULL) AND (content_type ~ '^[!#$%&''*+.^_`|~0-9a-zA-Z-]+/[ -~]+$'::text) AND (length(content_type) <= 255)))) THEN 'content_type_with_body'::text WHEN (NOT ((event_type ~ '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'::text) AND (length(event_type) <= 255))) THEN 'event_type_is_dotted_name'::text WHEN (expires_at <= deliver_at) THEN 'expires_after_deliver'::text WHEN (json_typeof(headers) <> 'object'::text) THEN 'headers_are_an_object'::text WHEN (GREATEST(length(tenant), length(ordering_key), length(dedupe_key)) > 255) THEN 'keys_are_short'::text WHEN ((payload IS NULL) = (body IS NULL)) THEN 'payload_or_body'::text WHEN (NOT (((deliver_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (deliver_at <= '3000-01-01 00:00:00+00'::timestamp with time zone)) AND ((expires_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at <= '3000-01-01 00:00:00+00'::timestamp with time zone)))) THEN 'times_are_sensible'::text WHEN (traceparent !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'::text) THEN 'traceparent_is_w3c'::text ELSE NULL::text END;

-- Name: cancel(uuid); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.cancel(event_id uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into relay.cancellation (event_id) values (cancel.event_id) on conflict do nothing
$$;

-- Name: FUNCTION cancel(event_id uuid); Type: COMMENT; Schema: relay

COMMENT ON FUNCTION relay.cancel(event_id uuid) IS 'Withdraws what of an event has not been claimed when the transaction commits.';

-- Name: check_is_over(text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.check_is_over(partition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
begin
  if partition !~ '^attempt_[0-9]{8}$' or to_date(right(partition, 8), 'YYYYMMDD') >= current_date then
    raise exception '% is no day of the log that is over', partition;
  end if;
end
$_$;

-- Name: detach_partition(text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.detach_partition(partition text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '500ms'
    AS $$
begin
  perform relay.check_is_over(partition);
  if exists (select from pg_inherits where inhrelid = to_regclass(format('relay.%I', partition))) then
    execute format('alter table relay.attempt detach partition relay.%I', partition);
  end if;
  return true;
exception when lock_not_available then
  return false;
end
$$;

-- Name: drop_partition(text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.drop_partition(partition text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform relay.check_is_over(partition);
  execute format('drop table if exists relay.%I', partition);
end
$$;

-- Name: endpoint_changes(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.endpoint_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: endpoint_secret_changes(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.endpoint_secret_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update relay.endpoint set revision = revision
  where id = case when tg_op = 'DELETE' then old.endpoint_id else new.endpoint_id end;
  return null;
end
$$;

-- Name: endpoint_subscribes(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.endpoint_subscribes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  delete from relay.subscription where endpoint_id = new.id;
  if new.removed_at is null then
    insert into relay.subscription (tenant, pattern, endpoint_id)
    select distinct new.tenant, pattern, new.id from unnest(new.event_types) as pattern;
  end if;
  return null;
end
$$;

-- Name: event_of_dedupe_key(text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.event_of_dedupe_key(of_tenant text, of_key text) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select id from relay.outbox where tenant = of_tenant and dedupe_key = of_key
$$;

-- Name: FUNCTION event_of_dedupe_key(of_tenant text, of_key text); Type: COMMENT; Schema: relay

COMMENT ON FUNCTION relay.event_of_dedupe_key(of_tenant text, of_key text) IS 'The event that holds a dedupe key; null if none does.';

-- Name: is_pattern_list(text[]); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.is_pattern_list(patterns text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select coalesce(
    bool_and(p is not null and p ~ '^(\*|[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(\.\*)?)$' and length(p) <= 255),
    false)
  from unnest(patterns) as p
$_$;

-- Name: keep_attempts(text, bigint, integer); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.keep_attempts(partition text, after bigint, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $_$
declare
  last bigint;
begin
  perform relay.check_is_over(partition);
  select max(event_seq)
  into last
  from (select distinct event_seq from relay.delivery where event_seq > after order by event_seq limit most) as d;
  execute format(
    'insert into relay.attempt_default
     select a.*
     from (select distinct event_seq from relay.delivery where event_seq > $1 and event_seq <= $2) as d
     join relay.%I a on a.event_seq = d.event_seq
     on conflict do nothing',
    partition)
  using after, last;
  update relay.attempt_default a
  set
    request_headers = '{}',
    response_headers = null,
    response_body = null,
    error = null
  from relay.outbox o
  where a.event_seq > after
    and a.event_seq <= last
    and o.seq = a.event_seq
    and o.is_skeleton;
  return last;
end
$_$;

-- Name: log_begins(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.log_begins() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
  select min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamptz
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'relay.attempt'::regclass
    and c.relname ~ '^attempt_[0-9]{8}$'
$_$;

-- Name: make_partitions(integer); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.make_partitions(days integer DEFAULT 14) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '500ms'
    SET "TimeZone" TO 'UTC'
    AS $$
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

-- Name: max_payload_bytes(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.max_payload_bytes() RETURNS bigint
    LANGUAGE sql STABLE
    RETURN (262144)::bigint;

-- Name: max_payload_bytes_changes(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.max_payload_bytes_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format(
    'create or replace function relay.max_payload_bytes() returns bigint language sql stable return %s::bigint',
    new.value);
  return null;
end
$$;

-- Name: oldest_partition(timestamp with time zone); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.oldest_partition(before timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
  select min(relname)
  from pg_class
  where relnamespace = 'relay'::regnamespace
    and relkind = 'r'
    and relname ~ '^attempt_[0-9]{8}$'
    and to_date(right(relname, 8), 'YYYYMMDD') < least(before::date, current_date)
$_$;

-- Name: outbox_inserted(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.outbox_inserted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into relay.fresh (seq, size, ordering_hash)
  select
    seq,
    coalesce(
      relay.refuse_event(
        relay.broken_rule(
          event_type, payload, body, content_type, tenant, ordering_key, headers, deliver_at, expires_at,
          dedupe_key, traceparent),
        event_type),
      case when size > relay.max_payload_bytes() then relay.refuse_size(size, relay.max_payload_bytes()) end,
      size),
    hashtextextended(tenant || chr(31) || ordering_key, 0)
  from (select *, coalesce(octet_length(payload::text), octet_length(body)) as size from inserted offset 0) as i;
  if to_timestamp(pg_sequence_last_value('relay.armed_until')) > clock_timestamp() then
    perform pg_notify('relay_wake', '');
  end if;
  return null;
end
$$;

-- Name: outbox_updated(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.outbox_updated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: publish(text, json, uuid, text, text, bigint, uuid, json, timestamp with time zone, timestamp with time zone, text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.publish(event_type text, payload json, id uuid DEFAULT NULL::uuid, tenant text DEFAULT ''::text, ordering_key text DEFAULT NULL::text, sequence bigint DEFAULT NULL::bigint, endpoint_id uuid DEFAULT NULL::uuid, headers json DEFAULT NULL::json, deliver_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, dedupe_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: FUNCTION publish(event_type text, payload json, id uuid, tenant text, ordering_key text, sequence bigint, endpoint_id uuid, headers json, deliver_at timestamp with time zone, expires_at timestamp with time zone, dedupe_key text, traceparent text); Type: COMMENT; Schema: relay

COMMENT ON FUNCTION relay.publish(event_type text, payload json, id uuid, tenant text, ordering_key text, sequence bigint, endpoint_id uuid, headers json, deliver_at timestamp with time zone, expires_at timestamp with time zone, dedupe_key text, traceparent text) IS 'Inserts one event in the caller''s transaction and returns its id; with a dedupe_key, the first one''s.';

-- Name: publish(text, jsonb, uuid, text, text, bigint, uuid, json, timestamp with time zone, timestamp with time zone, text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.publish(event_type text, payload jsonb, id uuid DEFAULT NULL::uuid, tenant text DEFAULT ''::text, ordering_key text DEFAULT NULL::text, sequence bigint DEFAULT NULL::bigint, endpoint_id uuid DEFAULT NULL::uuid, headers json DEFAULT NULL::json, deliver_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, dedupe_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select relay.publish($1, $2::text::json, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
$_$;

-- Name: publish(text, text, uuid, text, text, bigint, uuid, json, timestamp with time zone, timestamp with time zone, text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.publish(event_type text, payload text, id uuid DEFAULT NULL::uuid, tenant text DEFAULT ''::text, ordering_key text DEFAULT NULL::text, sequence bigint DEFAULT NULL::bigint, endpoint_id uuid DEFAULT NULL::uuid, headers json DEFAULT NULL::json, deliver_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, dedupe_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select relay.publish($1, $2::json, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
$_$;

-- Name: refuse(text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.refuse(problem text, cure text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception using errcode = 'check_violation', message = problem, hint = cure;
end
$$;

-- Name: refuse_event(text, text); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.refuse_event(broken_rule text, event_type text) RETURNS integer
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: refuse_size(integer, bigint); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.refuse_size(size integer, allowed bigint) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception using
    errcode = 'check_violation',
    message = format('an event of %s bytes is over the limit of %s bytes', size, allowed),
    hint = 'Send a reference to the document instead, or raise delivery.max_payload_bytes in Relay''s configuration.';
end
$$;

-- Name: registry_reloads(); Type: FUNCTION; Schema: relay

CREATE FUNCTION relay.registry_reloads() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update relay.registry set version = version + 1, reload_from = version + 1;
  perform pg_notify('relay_wake', '');
  return null;
end
$$;

-- Name: admin_session; Type: TABLE; Schema: relay

CREATE TABLE relay.admin_session (
    session_hash bytea NOT NULL,
    token_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

-- Name: TABLE admin_session; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.admin_session IS 'Who is signed in to the panel: SHA-256 of a cookie, and the token that was shown for it.';

-- Name: admin_token; Type: TABLE; Schema: relay

CREATE TABLE relay.admin_token (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    tenant text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone
);

-- Name: alert; Type: TABLE; Schema: relay

CREATE TABLE relay.alert (
    id bigint NOT NULL,
    alert text NOT NULL,
    endpoint_id uuid,
    summary text NOT NULL,
    detail json DEFAULT '{}'::json NOT NULL,
    raised_at timestamp with time zone DEFAULT now() NOT NULL,
    cleared_at timestamp with time zone
);

-- Name: TABLE alert; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.alert IS 'Alerts, raised and cleared.';

-- Name: COLUMN alert.endpoint_id; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.alert.endpoint_id IS 'Whose trouble it is; null: of everything.';

-- Name: COLUMN alert.detail; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.alert.detail IS 'The numbers behind the summary.';

-- Name: alert_id_seq; Type: SEQUENCE; Schema: relay

ALTER TABLE relay.alert ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: armed_until; Type: SEQUENCE; Schema: relay

CREATE SEQUENCE relay.armed_until
    START WITH 0
    INCREMENT BY 1
    MINVALUE 0
    NO MAXVALUE
    CACHE 1;

-- Name: attempt; Type: TABLE; Schema: relay

CREATE TABLE relay.attempt (
    event_seq bigint NOT NULL,
    endpoint_id uuid NOT NULL,
    claim integer NOT NULL,
    attempted_at timestamp with time zone NOT NULL,
    attempt integer NOT NULL,
    duration_ms integer NOT NULL,
    status_code integer,
    stale boolean NOT NULL,
    ended boolean NOT NULL,
    outcome text NOT NULL,
    trigger_type text NOT NULL,
    error_code text,
    error text,
    url text NOT NULL,
    request_headers json NOT NULL,
    response_headers json,
    response_body text,
    next_attempt_at timestamp with time zone
)
PARTITION BY RANGE (attempted_at);

-- Name: COLUMN attempt.stale; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.attempt.stale IS 'The claim was no longer ours: it happened, and changed nothing.';

-- Name: COLUMN attempt.ended; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.attempt.ended IS 'This attempt ended the delivery.';

-- Name: attempt_default; Type: TABLE; Schema: relay

CREATE TABLE relay.attempt_default (
    event_seq bigint CONSTRAINT attempt_event_seq_not_null NOT NULL,
    endpoint_id uuid CONSTRAINT attempt_endpoint_id_not_null NOT NULL,
    claim integer CONSTRAINT attempt_claim_not_null NOT NULL,
    attempted_at timestamp with time zone CONSTRAINT attempt_attempted_at_not_null NOT NULL,
    attempt integer CONSTRAINT attempt_attempt_not_null NOT NULL,
    duration_ms integer CONSTRAINT attempt_duration_ms_not_null NOT NULL,
    status_code integer,
    stale boolean CONSTRAINT attempt_stale_not_null NOT NULL,
    ended boolean CONSTRAINT attempt_ended_not_null NOT NULL,
    outcome text CONSTRAINT attempt_outcome_not_null NOT NULL,
    trigger_type text CONSTRAINT attempt_trigger_type_not_null NOT NULL,
    error_code text,
    error text,
    url text CONSTRAINT attempt_url_not_null NOT NULL,
    request_headers json CONSTRAINT attempt_request_headers_not_null NOT NULL,
    response_headers json,
    response_body text,
    next_attempt_at timestamp with time zone
);

-- Name: audit; Type: TABLE; Schema: relay

CREATE TABLE relay.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    detail json
);

-- Name: audit_id_seq; Type: SEQUENCE; Schema: relay

ALTER TABLE relay.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: cancellation; Type: TABLE; Schema: relay

CREATE TABLE relay.cancellation (
    event_id uuid NOT NULL,
    cancelled_at timestamp with time zone DEFAULT now() NOT NULL
);

-- Name: delivery; Type: TABLE; Schema: relay

CREATE TABLE relay.delivery (
    event_seq bigint NOT NULL,
    endpoint_id uuid NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    reason text,
    next_attempt_at timestamp with time zone,
    claimed_by bigint,
    claim integer DEFAULT 0 NOT NULL,
    recorded integer DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    window_attempt integer DEFAULT 0 NOT NULL,
    window_started_at timestamp with time zone,
    trigger_type text DEFAULT 'automatic'::text NOT NULL,
    delivered_before boolean DEFAULT false NOT NULL,
    size integer NOT NULL,
    last_status_code integer,
    last_error_code text,
    last_error text,
    ended_at timestamp with time zone,
    ordering_hash bigint,
    look_number bigint,
    CONSTRAINT delivery_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'retrying'::text, 'held'::text, 'dead'::text, 'cancelled'::text]))),
    CONSTRAINT delivery_trigger_type_check CHECK ((trigger_type = ANY (ARRAY['automatic'::text, 'manual'::text, 'replay'::text, 'test'::text]))),
    CONSTRAINT ended_is_not_scheduled CHECK (((state <> ALL (ARRAY['dead'::text, 'cancelled'::text])) OR (next_attempt_at IS NULL))),
    CONSTRAINT next_attempt_is_finite CHECK (isfinite(next_attempt_at))
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='2000', autovacuum_analyze_scale_factor='0.02', autovacuum_analyze_threshold='5000', autovacuum_vacuum_cost_delay='1');

-- Name: COLUMN delivery.claim; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.claim IS 'Counts the claims; with the key it is the fence for a late writer.';

-- Name: COLUMN delivery.recorded; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.recorded IS 'The last claim whose outcome was written; the gap counts lost claims.';

-- Name: COLUMN delivery.attempt; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.attempt IS 'Attempts charged, over all windows.';

-- Name: COLUMN delivery.window_started_at; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.window_started_at IS 'First charged attempt of the current retry window.';

-- Name: COLUMN delivery.delivered_before; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.delivered_before IS 'Sent again on request: delivered already, and stays so.';

-- Name: COLUMN delivery.ordering_hash; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.ordering_hash IS 'Of tenant and ordering key, if its endpoint asks for order.';

-- Name: COLUMN delivery.look_number; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.delivery.look_number IS 'The look that brought the event; with the seq its place in the order.';

-- Name: endpoint; Type: TABLE; Schema: relay

CREATE TABLE relay.endpoint (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    tenant text DEFAULT ''::text NOT NULL,
    event_types text[] DEFAULT '{*}'::text[] NOT NULL,
    headers json DEFAULT '{}'::json NOT NULL,
    signature text DEFAULT 'both'::text NOT NULL,
    timeout interval,
    max_in_flight integer,
    retry_schedule interval[],
    store_response_body boolean DEFAULT true NOT NULL,
    metadata json DEFAULT '{}'::json NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    disabled_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone,
    revision bigint DEFAULT 0 NOT NULL,
    filter json,
    rate_limit double precision,
    ordered boolean DEFAULT false NOT NULL,
    CONSTRAINT endpoint_max_in_flight_check CHECK ((max_in_flight > 0)),
    CONSTRAINT endpoint_signature_check CHECK ((signature = ANY (ARRAY['both'::text, 'x-webhook'::text, 'standard'::text]))),
    CONSTRAINT endpoint_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text, 'disabled'::text]))),
    CONSTRAINT endpoint_timeout_check CHECK (((timeout > '00:00:00'::interval) AND (timeout <= '00:05:00'::interval))),
    CONSTRAINT event_types_are_patterns CHECK ((relay.is_pattern_list(event_types) OR relay.refuse(format('event_types %s has an entry that is no pattern'::text, event_types), 'Use an event type such as invoice.paid, a prefix such as invoice.*, or * for everything.'::text))),
    CONSTRAINT filter_is_an_object CHECK (((filter IS NULL) OR (json_typeof(filter) = 'object'::text) OR relay.refuse('filter is not a JSON object'::text, 'Give what a payload has to contain, for example {"currency": "EUR"}; null for every event.'::text))),
    CONSTRAINT headers_are_an_object CHECK ((json_typeof(headers) = 'object'::text)),
    CONSTRAINT metadata_is_an_object CHECK ((json_typeof(metadata) = 'object'::text)),
    CONSTRAINT rate_limit_is_a_rate CHECK (((rate_limit IS NULL) OR ((rate_limit >= (0.001)::double precision) AND (rate_limit <= (100000)::double precision)) OR relay.refuse('rate_limit is not between 0.001 and 100000 requests a second'::text, 'Give how many requests a second the endpoint may get; null for no limit.'::text))),
    CONSTRAINT retry_schedule_is_of_delays CHECK (((((array_position(retry_schedule, NULL::interval) IS NULL) AND ('00:00:00'::interval <= ALL (retry_schedule))) IS NOT FALSE) OR relay.refuse('retry_schedule has an entry that is no delay'::text, 'List intervals such as 5 seconds, none of them null.'::text)))
);

-- Name: COLUMN endpoint.removed_at; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint.removed_at IS 'Removed, and kept for the log; its waiting deliveries end dead.';

-- Name: COLUMN endpoint.revision; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint.revision IS 'The registry version at which this row was last changed.';

-- Name: COLUMN endpoint.filter; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint.filter IS 'It gets only events whose payload contains this, as jsonb''s @> has it.';

-- Name: COLUMN endpoint.rate_limit; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint.rate_limit IS 'Requests a second that it gets at most; null: no limit.';

-- Name: COLUMN endpoint.ordered; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint.ordered IS 'It gets the events of one ordering key one at a time, in their order.';

-- Name: endpoint_secret; Type: TABLE; Schema: relay

CREATE TABLE relay.endpoint_secret (
    id bigint NOT NULL,
    endpoint_id uuid NOT NULL,
    sealed bytea NOT NULL,
    key_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT secret_is_whole CHECK (((key_id IS NOT NULL) OR (encode(sealed, 'escape'::text) ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$'::text) OR relay.refuse('a secret is whsec_ and the base64 of 24 to 64 bytes'::text, 'Copy the whole of one made by Relay or by a Standard Webhooks tool.'::text)))
);

-- Name: COLUMN endpoint_secret.key_id; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint_secret.key_id IS 'The master key that sealed it; null: not encrypted.';

-- Name: fresh; Type: TABLE; Schema: relay

CREATE TABLE relay.fresh (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    seq bigint NOT NULL,
    size integer NOT NULL,
    after_endpoint uuid,
    ordering_hash bigint
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='20000');

-- Name: COLUMN fresh.after_endpoint; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.fresh.after_endpoint IS 'An event for very many endpoints: fanned out up to this one.';

-- Name: COLUMN fresh.ordering_hash; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.fresh.ordering_hash IS 'Of tenant and ordering key; null without a key.';

-- Name: outbox; Type: TABLE; Schema: relay

CREATE TABLE relay.outbox (
    seq bigint NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    event_type text NOT NULL,
    payload json,
    body bytea,
    content_type text,
    tenant text DEFAULT ''::text NOT NULL,
    ordering_key text,
    sequence bigint,
    endpoint_id uuid,
    headers json,
    deliver_at timestamp with time zone,
    expires_at timestamp with time zone,
    dedupe_key text,
    traceparent text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expunged_at timestamp with time zone,
    is_skeleton boolean DEFAULT false NOT NULL
)
WITH (vacuum_truncate=off, autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

-- Name: COLUMN outbox.expunged_at; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.outbox.expunged_at IS 'When the payload was taken away.';

-- Name: COLUMN outbox.is_skeleton; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.outbox.is_skeleton IS 'Headers, keys and what receivers answered were taken away as well.';

-- Name: pause; Type: TABLE; Schema: relay

CREATE TABLE relay.pause (
    tenant text,
    paused_at timestamp with time zone DEFAULT now() NOT NULL,
    paused_by text DEFAULT CURRENT_USER NOT NULL
);

-- Name: unrouted; Type: TABLE; Schema: relay

CREATE TABLE relay.unrouted (
    event_seq bigint NOT NULL,
    reason text NOT NULL,
    detail text,
    noted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT unrouted_reason_check CHECK ((reason = ANY (ARRAY['no_subscription'::text, 'cancelled'::text, 'unprocessable'::text])))
);

-- Name: delivery_status; Type: VIEW; Schema: relay

CREATE VIEW relay.delivery_status AS
 SELECT o.id AS event_id,
    d.endpoint_id,
    o.event_type,
    o.tenant,
        CASE
            WHEN (d.state = ANY (ARRAY['dead'::text, 'cancelled'::text])) THEN d.state
            WHEN ((d.claimed_by IS NOT NULL) AND (d.next_attempt_at > now())) THEN 'in_flight'::text
            WHEN (c.event_id IS NOT NULL) THEN 'cancelled'::text
            WHEN ((d.state = 'held'::text) OR (hold.reason IS NOT NULL)) THEN 'held'::text
            ELSE d.state
        END AS state,
        CASE
            WHEN (d.state = ANY (ARRAY['dead'::text, 'cancelled'::text, 'held'::text])) THEN d.reason
            WHEN (c.event_id IS NOT NULL) THEN NULL::text
            WHEN (hold.reason IS NOT NULL) THEN hold.reason
            WHEN ((d.state = 'pending'::text) AND (o.deliver_at > now())) THEN 'deliver_at'::text
            ELSE NULL::text
        END AS reason,
    d.attempt AS attempts,
    d.last_status_code,
    COALESCE(d.last_error, d.last_error_code) AS last_error,
        CASE
            WHEN (d.claimed_by IS NULL) THEN d.next_attempt_at
            ELSE NULL::timestamp with time zone
        END AS next_attempt_at,
    o.created_at,
    d.ended_at
   FROM ((((relay.delivery d
     LEFT JOIN relay.outbox o ON ((o.seq = d.event_seq)))
     LEFT JOIN relay.endpoint e ON ((e.id = d.endpoint_id)))
     LEFT JOIN relay.cancellation c ON ((c.event_id = o.id)))
     LEFT JOIN LATERAL ( SELECT
                CASE
                    WHEN ((e.id IS NULL) OR (e.removed_at IS NOT NULL)) THEN NULL::text
                    WHEN (e.state = 'paused'::text) THEN 'endpoint_paused'::text
                    WHEN (e.state = 'disabled'::text) THEN 'endpoint_disabled'::text
                    WHEN (EXISTS ( SELECT
                       FROM relay.pause p
                      WHERE ((p.tenant IS NULL) OR (p.tenant = e.tenant)))) THEN 'sending_paused'::text
                    WHEN (NOT (EXISTS ( SELECT
                       FROM relay.endpoint_secret s
                      WHERE ((s.endpoint_id = e.id) AND ((s.expires_at IS NULL) OR (s.expires_at > now())))))) THEN 'secret_missing'::text
                    ELSE NULL::text
                END AS reason) hold ON (true))
  WHERE (NOT d.delivered_before)
UNION ALL
 SELECT o.id AS event_id,
    a.endpoint_id,
    o.event_type,
    o.tenant,
    'delivered'::text AS state,
    NULL::text AS reason,
    a.attempt AS attempts,
    a.status_code AS last_status_code,
    NULL::text AS last_error,
    NULL::timestamp with time zone AS next_attempt_at,
    o.created_at,
    (a.attempted_at + ((a.duration_ms)::double precision * '00:00:00.001'::interval)) AS ended_at
   FROM (relay.attempt a
     JOIN relay.outbox o ON ((o.seq = a.event_seq)))
  WHERE ((a.outcome = 'delivered'::text) AND a.ended)
UNION ALL
 SELECT o.id AS event_id,
    NULL::uuid AS endpoint_id,
    o.event_type,
    o.tenant,
        CASE
            WHEN (c.event_id IS NULL) THEN 'pending'::text
            ELSE 'cancelled'::text
        END AS state,
    NULL::text AS reason,
    0 AS attempts,
    NULL::integer AS last_status_code,
    NULL::text AS last_error,
    o.deliver_at AS next_attempt_at,
    o.created_at,
    NULL::timestamp with time zone AS ended_at
   FROM ((relay.fresh f
     JOIN relay.outbox o ON ((o.seq = f.seq)))
     LEFT JOIN relay.cancellation c ON ((c.event_id = o.id)))
UNION ALL
 SELECT o.id AS event_id,
    NULL::uuid AS endpoint_id,
    o.event_type,
    o.tenant,
        CASE u.reason
            WHEN 'no_subscription'::text THEN 'unrouted'::text
            WHEN 'unprocessable'::text THEN 'dead'::text
            ELSE 'cancelled'::text
        END AS state,
    u.reason,
    0 AS attempts,
    NULL::integer AS last_status_code,
    u.detail AS last_error,
    NULL::timestamp with time zone AS next_attempt_at,
    o.created_at,
    u.noted_at AS ended_at
   FROM (relay.unrouted u
     JOIN relay.outbox o ON ((o.seq = u.event_seq)));

-- Name: backlog; Type: VIEW; Schema: relay

CREATE VIEW relay.backlog AS
 SELECT state,
    count(*) AS deliveries,
    (now() - min(created_at)) AS oldest_age
   FROM relay.delivery_status
  WHERE (state = ANY (ARRAY['pending'::text, 'in_flight'::text, 'retrying'::text, 'held'::text, 'dead'::text]))
  GROUP BY state;

-- Name: delivery_log; Type: VIEW; Schema: relay

CREATE VIEW relay.delivery_log AS
 SELECT o.id AS event_id,
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
    COALESCE((o.payload)::text, encode(o.body, 'escape'::text)) AS request_body,
    a.response_headers,
    a.response_body,
    a.duration_ms,
    a.attempted_at,
    a.next_attempt_at,
    a.outcome
   FROM (relay.attempt a
     LEFT JOIN relay.outbox o ON ((o.seq = a.event_seq)));

-- Name: endpoint_condition; Type: TABLE; Schema: relay

CREATE TABLE relay.endpoint_condition (
    endpoint_id uuid NOT NULL,
    breaker text DEFAULT 'closed'::text NOT NULL,
    paused_until timestamp with time zone,
    failing_since timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    first_failures integer DEFAULT 0 NOT NULL,
    unhealthy_at timestamp with time zone,
    warned_at timestamp with time zone,
    CONSTRAINT endpoint_condition_breaker_check CHECK ((breaker = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text])))
);

-- Name: COLUMN endpoint_condition.failing_since; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint_condition.failing_since IS 'Its first failed attempt since the last success.';

-- Name: COLUMN endpoint_condition.failures; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint_condition.failures IS 'Attempts that failed since then.';

-- Name: COLUMN endpoint_condition.first_failures; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint_condition.first_failures IS 'Of them, those that were the first of their delivery.';

-- Name: COLUMN endpoint_condition.unhealthy_at; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint_condition.unhealthy_at IS 'When it was told that the endpoint fails.';

-- Name: COLUMN endpoint_condition.warned_at; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.endpoint_condition.warned_at IS 'When it was told that the endpoint will be disabled.';

-- Name: endpoint_health; Type: VIEW; Schema: relay

CREATE VIEW relay.endpoint_health AS
 SELECT e.id AS endpoint_id,
    e.url,
        CASE
            WHEN (e.removed_at IS NOT NULL) THEN 'removed'::text
            ELSE e.state
        END AS state,
    lately.success_ratio,
    COALESCE(lately.attempts, (0)::bigint) AS attempts,
    COALESCE(now_waiting.pending, (0)::bigint) AS pending,
    COALESCE(now_waiting.retrying, (0)::bigint) AS retrying,
    COALESCE(now_waiting.held, (0)::bigint) AS held,
    COALESCE(now_waiting.dead, (0)::bigint) AS dead,
    now_waiting.oldest_waiting,
    COALESCE(k.breaker, 'closed'::text) AS breaker,
    k.paused_until,
    k.failing_since
   FROM (((relay.endpoint e
     LEFT JOIN relay.endpoint_condition k ON ((k.endpoint_id = e.id)))
     LEFT JOIN ( SELECT attempt.endpoint_id,
            count(*) AS attempts,
            round(((count(*) FILTER (WHERE (attempt.outcome = 'delivered'::text)))::numeric / (count(*))::numeric), 4) AS success_ratio
           FROM relay.attempt
          WHERE (attempt.attempted_at > (now() - '00:05:00'::interval))
          GROUP BY attempt.endpoint_id) lately ON ((lately.endpoint_id = e.id)))
     LEFT JOIN ( SELECT s.endpoint_id,
            count(*) FILTER (WHERE (s.state = ANY (ARRAY['pending'::text, 'in_flight'::text]))) AS pending,
            count(*) FILTER (WHERE (s.state = 'retrying'::text)) AS retrying,
            count(*) FILTER (WHERE (s.state = 'held'::text)) AS held,
            count(*) FILTER (WHERE (s.state = 'dead'::text)) AS dead,
            min(s.created_at) FILTER (WHERE (s.state = ANY (ARRAY['pending'::text, 'in_flight'::text, 'retrying'::text, 'held'::text]))) AS oldest_waiting
           FROM relay.delivery_status s
          WHERE (s.state = ANY (ARRAY['pending'::text, 'in_flight'::text, 'retrying'::text, 'held'::text, 'dead'::text]))
          GROUP BY s.endpoint_id) now_waiting ON ((now_waiting.endpoint_id = e.id)));

-- Name: endpoint_secret_id_seq; Type: SEQUENCE; Schema: relay

ALTER TABLE relay.endpoint_secret ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.endpoint_secret_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: event; Type: VIEW; Schema: relay

CREATE VIEW relay.event AS
 SELECT seq,
    id,
    event_type,
    payload,
    body,
    content_type,
    tenant,
    ordering_key,
    sequence,
    endpoint_id,
    headers,
    deliver_at,
    expires_at,
    dedupe_key,
    traceparent,
    created_at,
    expunged_at
   FROM relay.outbox;

-- Name: VIEW event; Type: COMMENT; Schema: relay

COMMENT ON VIEW relay.event IS 'The events, for those who may read: relay replay --where is a condition on it.';

-- Name: idempotency_key; Type: TABLE; Schema: relay

CREATE TABLE relay.idempotency_key (
    token_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    object_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

-- Name: TABLE idempotency_key; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.idempotency_key IS 'What was created under an Idempotency-Key, so that the same request again creates nothing.';

-- Name: COLUMN idempotency_key.request_hash; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.idempotency_key.request_hash IS 'SHA-256 of the request, to tell another one under the same key.';

-- Name: last_look; Type: TABLE; Schema: relay

CREATE TABLE relay.last_look (
    only_row boolean DEFAULT true NOT NULL,
    number bigint NOT NULL,
    snapshot text NOT NULL,
    CONSTRAINT last_look_only_row_check CHECK (only_row)
);

-- Name: TABLE last_look; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.last_look IS 'The last look that brought events with an ordering key; for the places of deliveries.';

-- Name: look_number; Type: SEQUENCE; Schema: relay

CREATE SEQUENCE relay.look_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

-- Name: operation; Type: TABLE; Schema: relay

CREATE TABLE relay.operation (
    id bigint NOT NULL,
    kind text NOT NULL,
    state text DEFAULT 'prepared'::text NOT NULL,
    selection json NOT NULL,
    redeliver boolean DEFAULT false NOT NULL,
    make_missing boolean DEFAULT false NOT NULL,
    rate double precision,
    total bigint DEFAULT 0 NOT NULL,
    taken bigint DEFAULT 0 NOT NULL,
    after_seq bigint DEFAULT 0 NOT NULL,
    after_endpoint uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    results jsonb DEFAULT '{}'::jsonb NOT NULL,
    actor text NOT NULL,
    detail text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT operation_kind_check CHECK ((kind = ANY (ARRAY['replay'::text, 'retry'::text, 'discard'::text]))),
    CONSTRAINT operation_rate_check CHECK ((rate > (0)::double precision)),
    CONSTRAINT operation_state_check CHECK ((state = ANY (ARRAY['prepared'::text, 'running'::text, 'paused'::text, 'done'::text, 'cancelled'::text, 'failed'::text])))
);

-- Name: TABLE operation; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.operation IS 'Changes of many deliveries: what was selected, and how far the relay has got.';

-- Name: COLUMN operation.redeliver; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.redeliver IS 'Whether what was delivered is sent again.';

-- Name: COLUMN operation.make_missing; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.make_missing IS 'Whether deliveries are made that never were.';

-- Name: COLUMN operation.rate; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.rate IS 'Deliveries a second at most; null: no limit.';

-- Name: COLUMN operation.total; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.total IS 'How many deliveries were selected.';

-- Name: COLUMN operation.taken; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.taken IS 'How many of them are done with.';

-- Name: COLUMN operation.after_seq; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.after_seq IS 'The last delivery that is done with: its event; and its endpoint.';

-- Name: COLUMN operation.results; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.operation.results IS 'How many of those had which result.';

-- Name: operation_delivery; Type: TABLE; Schema: relay

CREATE TABLE relay.operation_delivery (
    operation_id bigint NOT NULL,
    event_seq bigint NOT NULL,
    endpoint_id uuid NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='5000');

-- Name: TABLE operation_delivery; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.operation_delivery IS 'What was selected, until the operation ends.';

-- Name: operation_id_seq; Type: SEQUENCE; Schema: relay

ALTER TABLE relay.operation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.operation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: outbox_seq_seq; Type: SEQUENCE; Schema: relay

ALTER TABLE relay.outbox ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.outbox_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: registry; Type: TABLE; Schema: relay

CREATE TABLE relay.registry (
    only_row boolean DEFAULT true NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    reload_from bigint DEFAULT 1 NOT NULL,
    CONSTRAINT registry_only_row_check CHECK (only_row)
);

-- Name: COLUMN registry.reload_from; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.registry.reload_from IS 'A reader that knows an older version must read everything anew.';

-- Name: relay_instance; Type: TABLE; Schema: relay

CREATE TABLE relay.relay_instance (
    id bigint NOT NULL,
    host text NOT NULL,
    boot_id text NOT NULL,
    pid integer NOT NULL,
    process_started text NOT NULL,
    version text NOT NULL,
    state text DEFAULT 'standby'::text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    key_ids text[],
    CONSTRAINT relay_instance_state_check CHECK ((state = ANY (ARRAY['standby'::text, 'active'::text, 'stopped'::text])))
);

-- Name: COLUMN relay_instance.process_started; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.relay_instance.process_started IS 'Start time of the process in clock ticks since boot.';

-- Name: COLUMN relay_instance.key_ids; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.relay_instance.key_ids IS 'Names of the master keys that it holds; null: it does not say, as before this column was there.';

-- Name: relay_instance_id_seq; Type: SEQUENCE; Schema: relay

ALTER TABLE relay.relay_instance ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.relay_instance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: schema_migration; Type: TABLE; Schema: relay

CREATE TABLE relay.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    breaking boolean NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

-- Name: COLUMN schema_migration.breaking; Type: COMMENT; Schema: relay

COMMENT ON COLUMN relay.schema_migration.breaking IS 'Code that does not know this migration must not run.';

-- Name: setting; Type: TABLE; Schema: relay

CREATE TABLE relay.setting (
    name text NOT NULL,
    value bigint NOT NULL
);

-- Name: TABLE setting; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.setting IS 'Limits checked at insert; written by the relay from its configuration.';

-- Name: sign_in_code; Type: TABLE; Schema: relay

CREATE TABLE relay.sign_in_code (
    code_hash bytea NOT NULL,
    token_id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

-- Name: TABLE sign_in_code; Type: COMMENT; Schema: relay

COMMENT ON TABLE relay.sign_in_code IS 'Links that sign somebody in once: SHA-256 of the code in them.';

-- Name: subscription; Type: TABLE; Schema: relay

CREATE TABLE relay.subscription (
    tenant text NOT NULL,
    pattern text NOT NULL,
    endpoint_id uuid NOT NULL
);

-- Name: attempt_default; Type: TABLE ATTACH; Schema: relay

ALTER TABLE ONLY relay.attempt ATTACH PARTITION relay.attempt_default DEFAULT;

-- Name: admin_session admin_session_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.admin_session
    ADD CONSTRAINT admin_session_pkey PRIMARY KEY (session_hash);

-- Name: admin_token admin_token_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.admin_token
    ADD CONSTRAINT admin_token_pkey PRIMARY KEY (id);

-- Name: admin_token admin_token_token_hash_key; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.admin_token
    ADD CONSTRAINT admin_token_token_hash_key UNIQUE (token_hash);

-- Name: alert alert_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (id);

-- Name: attempt attempt_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (event_seq, endpoint_id, claim, attempted_at);

-- Name: attempt_default attempt_default_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.attempt_default
    ADD CONSTRAINT attempt_default_pkey PRIMARY KEY (event_seq, endpoint_id, claim, attempted_at);

-- Name: audit audit_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

-- Name: cancellation cancellation_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.cancellation
    ADD CONSTRAINT cancellation_pkey PRIMARY KEY (event_id);

-- Name: delivery delivery_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (event_seq, endpoint_id);

-- Name: endpoint_condition endpoint_condition_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.endpoint_condition
    ADD CONSTRAINT endpoint_condition_pkey PRIMARY KEY (endpoint_id);

-- Name: endpoint endpoint_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.endpoint
    ADD CONSTRAINT endpoint_pkey PRIMARY KEY (id);

-- Name: endpoint_secret endpoint_secret_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.endpoint_secret
    ADD CONSTRAINT endpoint_secret_pkey PRIMARY KEY (id);

-- Name: fresh fresh_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.fresh
    ADD CONSTRAINT fresh_pkey PRIMARY KEY (xid, seq);

-- Name: idempotency_key idempotency_key_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (token_id, key);

-- Name: last_look last_look_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.last_look
    ADD CONSTRAINT last_look_pkey PRIMARY KEY (only_row);

-- Name: operation_delivery operation_delivery_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.operation_delivery
    ADD CONSTRAINT operation_delivery_pkey PRIMARY KEY (operation_id, event_seq, endpoint_id);

-- Name: operation operation_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.operation
    ADD CONSTRAINT operation_pkey PRIMARY KEY (id);

-- Name: outbox outbox_id_key; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.outbox
    ADD CONSTRAINT outbox_id_key UNIQUE (id);

-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

-- Name: pause pause_tenant_key; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.pause
    ADD CONSTRAINT pause_tenant_key UNIQUE NULLS NOT DISTINCT (tenant);

-- Name: registry registry_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.registry
    ADD CONSTRAINT registry_pkey PRIMARY KEY (only_row);

-- Name: relay_instance relay_instance_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.relay_instance
    ADD CONSTRAINT relay_instance_pkey PRIMARY KEY (id);

-- Name: schema_migration schema_migration_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

-- Name: setting setting_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.setting
    ADD CONSTRAINT setting_pkey PRIMARY KEY (name);

-- Name: sign_in_code sign_in_code_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.sign_in_code
    ADD CONSTRAINT sign_in_code_pkey PRIMARY KEY (code_hash);

-- Name: subscription subscription_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.subscription
    ADD CONSTRAINT subscription_pkey PRIMARY KEY (tenant, pattern, endpoint_id);

-- Name: unrouted unrouted_pkey; Type: CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.unrouted
    ADD CONSTRAINT unrouted_pkey PRIMARY KEY (event_seq);

-- Name: admin_session_token; Type: INDEX; Schema: relay

CREATE INDEX admin_session_token ON relay.admin_session USING btree (token_id);

-- Name: alert_active; Type: INDEX; Schema: relay

CREATE UNIQUE INDEX alert_active ON relay.alert USING btree (alert, COALESCE(endpoint_id, '00000000-0000-0000-0000-000000000000'::uuid)) WHERE (cleared_at IS NULL);

-- Name: alert_raised; Type: INDEX; Schema: relay

CREATE INDEX alert_raised ON relay.alert USING btree (raised_at);

-- Name: attempt_time; Type: INDEX; Schema: relay

CREATE INDEX attempt_time ON ONLY relay.attempt USING brin (attempted_at) WITH (pages_per_range='32', autosummarize='on');

-- Name: attempt_default_attempted_at_idx; Type: INDEX; Schema: relay

CREATE INDEX attempt_default_attempted_at_idx ON relay.attempt_default USING brin (attempted_at) WITH (pages_per_range='32', autosummarize='on');

-- Name: delivery_due; Type: INDEX; Schema: relay

CREATE INDEX delivery_due ON relay.delivery USING btree (endpoint_id, next_attempt_at) WHERE ((next_attempt_at IS NOT NULL) AND (claimed_by IS NULL));

-- Name: delivery_leased; Type: INDEX; Schema: relay

CREATE INDEX delivery_leased ON relay.delivery USING btree (next_attempt_at) WHERE ((claimed_by IS NOT NULL) AND (next_attempt_at IS NOT NULL));

-- Name: delivery_order; Type: INDEX; Schema: relay

CREATE INDEX delivery_order ON relay.delivery USING btree (endpoint_id, ordering_hash, look_number, event_seq) WHERE ((ordering_hash IS NOT NULL) AND (state = ANY (ARRAY['pending'::text, 'retrying'::text, 'held'::text])));

-- Name: endpoint_secret_of; Type: INDEX; Schema: relay

CREATE INDEX endpoint_secret_of ON relay.endpoint_secret USING btree (endpoint_id);

-- Name: fresh_order; Type: INDEX; Schema: relay

CREATE INDEX fresh_order ON relay.fresh USING btree (ordering_hash, seq) WHERE (ordering_hash IS NOT NULL);

-- Name: idempotency_key_created; Type: INDEX; Schema: relay

CREATE INDEX idempotency_key_created ON relay.idempotency_key USING btree (created_at);

-- Name: outbox_dedupe; Type: INDEX; Schema: relay

CREATE UNIQUE INDEX outbox_dedupe ON relay.outbox USING btree (tenant, dedupe_key) WHERE (dedupe_key IS NOT NULL);

-- Name: outbox_tenant; Type: INDEX; Schema: relay

CREATE INDEX outbox_tenant ON relay.outbox USING btree (tenant, seq) WHERE (tenant <> ''::text);

-- Name: subscription_of; Type: INDEX; Schema: relay

CREATE INDEX subscription_of ON relay.subscription USING btree (endpoint_id);

-- Name: attempt_default_attempted_at_idx; Type: INDEX ATTACH; Schema: relay

ALTER INDEX relay.attempt_time ATTACH PARTITION relay.attempt_default_attempted_at_idx;

-- Name: attempt_default_pkey; Type: INDEX ATTACH; Schema: relay

ALTER INDEX relay.attempt_pkey ATTACH PARTITION relay.attempt_default_pkey;

-- Name: endpoint endpoint_changes; Type: TRIGGER; Schema: relay

CREATE TRIGGER endpoint_changes BEFORE INSERT OR UPDATE ON relay.endpoint FOR EACH ROW EXECUTE FUNCTION relay.endpoint_changes();

-- Name: endpoint endpoint_deleted; Type: TRIGGER; Schema: relay

CREATE TRIGGER endpoint_deleted AFTER DELETE OR TRUNCATE ON relay.endpoint FOR EACH STATEMENT EXECUTE FUNCTION relay.registry_reloads();

-- Name: endpoint_secret endpoint_secret_changes; Type: TRIGGER; Schema: relay

CREATE TRIGGER endpoint_secret_changes AFTER INSERT OR DELETE OR UPDATE ON relay.endpoint_secret FOR EACH ROW EXECUTE FUNCTION relay.endpoint_secret_changes();

-- Name: endpoint endpoint_subscribes; Type: TRIGGER; Schema: relay

CREATE TRIGGER endpoint_subscribes AFTER INSERT OR UPDATE OF tenant, event_types, removed_at ON relay.endpoint FOR EACH ROW EXECUTE FUNCTION relay.endpoint_subscribes();

-- Name: setting max_payload_bytes_changes; Type: TRIGGER; Schema: relay

CREATE TRIGGER max_payload_bytes_changes AFTER INSERT OR UPDATE ON relay.setting FOR EACH ROW WHEN ((new.name = 'max_payload_bytes'::text)) EXECUTE FUNCTION relay.max_payload_bytes_changes();

-- Name: outbox outbox_inserted; Type: TRIGGER; Schema: relay

CREATE TRIGGER outbox_inserted AFTER INSERT ON relay.outbox REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION relay.outbox_inserted();

-- Name: outbox outbox_updated; Type: TRIGGER; Schema: relay

CREATE TRIGGER outbox_updated AFTER UPDATE ON relay.outbox REFERENCING NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION relay.outbox_updated();

-- Name: pause pause_changes; Type: TRIGGER; Schema: relay

CREATE TRIGGER pause_changes AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON relay.pause FOR EACH STATEMENT EXECUTE FUNCTION relay.registry_reloads();

-- Name: admin_session admin_session_token_id_fkey; Type: FK CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.admin_session
    ADD CONSTRAINT admin_session_token_id_fkey FOREIGN KEY (token_id) REFERENCES relay.admin_token(id) ON DELETE CASCADE;

-- Name: endpoint_condition endpoint_condition_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.endpoint_condition
    ADD CONSTRAINT endpoint_condition_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES relay.endpoint(id) ON DELETE CASCADE;

-- Name: endpoint_secret endpoint_secret_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.endpoint_secret
    ADD CONSTRAINT endpoint_secret_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES relay.endpoint(id) ON DELETE CASCADE;

-- Name: idempotency_key idempotency_key_token_id_fkey; Type: FK CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.idempotency_key
    ADD CONSTRAINT idempotency_key_token_id_fkey FOREIGN KEY (token_id) REFERENCES relay.admin_token(id) ON DELETE CASCADE;

-- Name: sign_in_code sign_in_code_token_id_fkey; Type: FK CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.sign_in_code
    ADD CONSTRAINT sign_in_code_token_id_fkey FOREIGN KEY (token_id) REFERENCES relay.admin_token(id) ON DELETE CASCADE;

-- Name: subscription subscription_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: relay

ALTER TABLE ONLY relay.subscription
    ADD CONSTRAINT subscription_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES relay.endpoint(id) ON DELETE CASCADE;
