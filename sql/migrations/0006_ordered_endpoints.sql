-- An endpoint may ask for the events of one ordering key one at a time, in the order in which they became visible.
--
-- A delivery for such an endpoint has its key, as a hash with the tenant, and its place: the look that brought the event,
-- and within one look its seq. It is held while an earlier one of its key has not ended. Two keys of one hash wait for
-- each other, which harms nobody.
-- Breaking, since code that knows nothing of it would send what is held.
-- breaking: yes

alter table relay.endpoint add column ordered boolean not null default false;

alter table relay.fresh add column ordering_hash bigint;

create index fresh_order on relay.fresh (ordering_hash, seq) where ordering_hash is not null;

alter table relay.delivery
  add column ordering_hash bigint,
  add column look_number bigint;

create index delivery_order on relay.delivery (endpoint_id, ordering_hash, look_number, event_seq)
where ordering_hash is not null and state in ('pending', 'retrying', 'held');

comment on column relay.endpoint.ordered is 'It gets the events of one ordering key one at a time, in their order.';
comment on column relay.fresh.ordering_hash is 'Of tenant and ordering key; null without a key.';
comment on column relay.delivery.ordering_hash is 'Of tenant and ordering key, if its endpoint asks for order.';
comment on column relay.delivery.look_number is 'The look that brought the event; with the seq its place in the order.';

create sequence relay.look_number;

create or replace function relay.outbox_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
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

-- Whoever owns the outbox owns what is new, also when a superuser migrates; and a relay that may raise the flag may count
-- its looks, also before roles.sql is run again.
do $$
declare
  command text;
begin
  execute format(
    'alter sequence relay.look_number owner to %s',
    (select relowner::regrole from pg_class where oid = 'relay.outbox'::regclass));
  for command in
    select format('grant usage on sequence relay.look_number to %s', a.grantee::regrole)
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = 'relay.armed_until'::regclass and a.privilege_type = 'USAGE' and a.grantee <> 0
  loop
    execute command;
  end loop;
end
$$;
