-- Store those of the events that are new, and return their ids and keys.
-- Those that have a key are held until `release_keys`, after the commit.
-- What is there already is looked for first: a conflict would wait for whoever is changing the row.
--
-- $1 source: of all of them
-- $2 event_ids: in ascending order, so that two writers cannot wait for each other
-- $3 event_types: or null
-- $4 ordering_keys: or null
-- $5 versions: or null
-- $6 headers: those to keep, as JSON objects
-- $7 bodies: as they came
-- $8 signed: Unix times, in seconds
insert into relay_inbox.event (
  source, event_id, event_type, ordering_key, version, headers, body, signed_at, next_attempt_at)
select
  $1::text, n.event_id, n.event_type, n.ordering_key, n.version, n.headers, n.body, to_timestamp(n.signed),
  case when n.ordering_key is null then clock_timestamp() else 'infinity' end
from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::json[], $7::bytea[], $8::double precision[])
  as n (event_id, event_type, ordering_key, version, headers, body, signed)
-- By the key of each: a join could walk all events of the source, by a plan from when there were few.
left join lateral (
  select e.seq
  from relay_inbox.event e
  where e.source = $1
  and e.event_id = n.event_id
  limit 1) known on true
where known.seq is null
on conflict (source, event_id) do nothing
returning event_id, ordering_key
