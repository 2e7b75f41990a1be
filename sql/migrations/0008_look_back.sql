-- Changes of many deliveries as rows that the relay works off, and what retention needs.
-- breaking: no

create table relay.operation (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('replay', 'retry', 'discard')),
  state text not null default 'prepared'
    check (state in ('prepared', 'running', 'paused', 'done', 'cancelled', 'failed')),
  selection json not null,
  redeliver boolean not null default false,
  make_missing boolean not null default false,
  rate double precision check (rate > 0),
  total bigint not null default 0,
  taken bigint not null default 0,
  after_seq bigint not null default 0,
  after_endpoint uuid not null default '00000000-0000-0000-0000-000000000000',
  results jsonb not null default '{}',
  actor text not null,
  detail text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz
);

comment on table relay.operation is 'Changes of many deliveries: what was selected, and how far the relay has got.';
comment on column relay.operation.redeliver is 'Whether what was delivered is sent again.';
comment on column relay.operation.make_missing is 'Whether deliveries are made that never were.';
comment on column relay.operation.rate is 'Deliveries a second at most; null: no limit.';
comment on column relay.operation.total is 'How many deliveries were selected.';
comment on column relay.operation.taken is 'How many of them are done with.';
comment on column relay.operation.after_seq is 'The last delivery that is done with: its event; and its endpoint.';
comment on column relay.operation.results is 'How many of those had which result.';

-- No foreign key: it would be looked up for each of a million deliveries.
create table relay.operation_delivery (
  operation_id bigint not null,
  event_seq bigint not null,
  endpoint_id uuid not null,
  primary key (operation_id, event_seq, endpoint_id)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);

comment on table relay.operation_delivery is 'What was selected, until the operation ends.';

alter table relay.outbox
  add column expunged_at timestamptz,
  add column is_skeleton boolean not null default false;

comment on column relay.outbox.expunged_at is 'When the payload was taken away.';
comment on column relay.outbox.is_skeleton is 'Headers, keys and what receivers answered were taken away as well.';

create view relay.event as
select
  seq, id, event_type, payload, body, content_type, tenant, ordering_key, sequence, endpoint_id, headers, deliver_at,
  expires_at, dedupe_key, traceparent, created_at, expunged_at
from relay.outbox;

comment on view relay.event is 'The events, for those who may read: relay replay --where is a condition on it.';

-- Since when the log is whole: events from before may have had attempts that were dropped.
create function relay.log_begins() returns timestamptz
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamptz
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'relay.attempt'::regclass
    and c.relname ~ '^attempt_[0-9]{8}$'
$$;

-- The oldest day of the log that ended before `before`, as its table is called; null if there is none. One that was
-- detached and not yet dropped counts too.
create function relay.oldest_partition(before timestamptz) returns text
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select min(relname)
  from pg_class
  where relnamespace = 'relay'::regnamespace
    and relkind = 'r'
    and relname ~ '^attempt_[0-9]{8}$'
    and to_date(right(relname, 8), 'YYYYMMDD') < least(before::date, current_date)
$$;

create function relay.check_is_over(partition text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
  if partition !~ '^attempt_[0-9]{8}$' or to_date(right(partition, 8), 'YYYYMMDD') >= current_date then
    raise exception '% is no day of the log that is over', partition;
  end if;
end
$$;

-- Take a day out of the log; false if somebody held the log for so long that it is left for another time.
create function relay.detach_partition(partition text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
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

-- Keep the attempts of deliveries that are still there, from a day that was taken out: those of at most `most` events
-- after `after`. Returns the last of these events; null when there is none left.
create function relay.keep_attempts(partition text, after bigint, most integer) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
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
$$;

-- Drop a day that was taken out.
create function relay.drop_partition(partition text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform relay.check_is_over(partition);
  execute format('drop table if exists relay.%I', partition);
end
$$;

revoke all on all functions in schema relay from public;

-- As sql/roles.sql has it, but at once: a relay that may work off deliveries may look back at them.
do $$
declare
  owner text := (select relowner::regrole from pg_class where oid = 'relay.outbox'::regclass);
  command text;
begin
  for command in
    select format('alter %s owner to %s', object, owner)
    from unnest(array[
      'table relay.operation', 'table relay.operation_delivery', 'view relay.event',
      'function relay.log_begins()', 'function relay.oldest_partition(timestamptz)',
      'function relay.check_is_over(text)', 'function relay.detach_partition(text)',
      'function relay.keep_attempts(text, bigint, integer)', 'function relay.drop_partition(text)']) as object
    union all
    select format(right_to, a.grantee::regrole)
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    cross join unnest(array[
      'grant select, insert, update, delete on relay.operation, relay.operation_delivery, relay.attempt_default to %s',
      'grant select on relay.event to %s',
      'grant select on sequence relay.outbox_seq_seq to %s',
      'grant execute on function relay.log_begins(), relay.oldest_partition(timestamptz), relay.check_is_over(text),'
        ' relay.detach_partition(text), relay.keep_attempts(text, bigint, integer), relay.drop_partition(text) to %s'
    ]) as right_to
    where c.oid = 'relay.delivery'::regclass and a.privilege_type = 'DELETE' and a.grantee <> 0
      and a.grantee::regrole::text <> owner
  loop
    execute command;
  end loop;
end
$$;
