-- What is new in relay.fresh since the last look, by difference of snapshots, with the events themselves.
--
-- Two arms: rows of transactions that were in progress at the last look, and everything newer. Rows that are still
-- invisible belong to transactions in progress now, which the caller keeps for the next look. It never walks the dead
-- rows below the last snapshot, however long some transaction holds vacuum back.
-- Each event is fetched by its key, whatever the planner believes of the sizes: hence the limits of 1.
-- Relies on: the lower bound of the row comparison being the only one (a second, weaker one makes the scan begin there).
-- Returns at least one row, with null seq if there is nothing new. A payload comes only while their sum is within the
-- budget; and no more events come at once than are within the piece, but always one, so that large ones neither fill the
-- memory nor hold up the connection. `has_more`: this snapshot has, or may have, events after these.
--
-- $1 open_xids: transactions in progress at the last look, as text
-- $2 open_after: for each, the last seq taken of it (-1: none)
-- $3 after_xid: go on after this transaction (with $4), as text
-- $4 after_seq: and this seq of it
-- $5 snapshot: the snapshot that is being paged; null takes a new one
-- $6 page: most rows to return
-- $7 budget: bytes of payload that there is room for; events beyond it come without
-- $8 piece: bytes of payload that end a page
with s as materialized (
  select coalesce($5::text::pg_snapshot, pg_current_snapshot()) as snapshot
),
found as materialized (
  select
    f.xid,
    f.seq,
    f.size,
    f.after_endpoint,
    f.ordering_hash,
    sum(f.size) over (order by f.xid, f.seq rows unbounded preceding) as running
  from s
  cross join lateral (
    (select b.xid, b.seq, b.size, b.after_endpoint, b.ordering_hash
     from unnest($1::text[], $2::bigint[]) as open(xid, after)
     cross join lateral (
       select xid, seq, size, after_endpoint, ordering_hash
       from relay.fresh
       where xid = open.xid::xid8
         and seq > open.after
         and pg_visible_in_snapshot(xid, s.snapshot)
       order by seq
       limit $6
     ) as b)
    union all
    (select xid, seq, size, after_endpoint, ordering_hash
     from relay.fresh
     where (xid, seq) > ($3::text::xid8, $4::bigint)
       and pg_visible_in_snapshot(xid, s.snapshot)
     order by xid, seq
     limit $6)
    limit $6
  ) as f
),
page as materialized (
  select *
  from found
  where running <= $8::bigint
    or running = size
)
select
  s.snapshot::text as snapshot,
  (select count(*) from found) = $6 or (select count(*) from found) > (select count(*) from page) as has_more,
  r.version as registry_version,
  extract(epoch from clock_timestamp())::double precision as database_time,
  p.xid::text as xid,
  p.seq,
  p.size,
  p.after_endpoint,
  p.ordering_hash,
  o.id as event_id,
  o.event_type,
  o.tenant,
  o.sequence,
  o.endpoint_id,
  o.headers::text as headers,
  o.content_type,
  o.traceparent,
  extract(epoch from o.deliver_at)::double precision as deliver_at,
  extract(epoch from o.expires_at)::double precision as expires_at,
  extract(epoch from o.created_at)::double precision as created_at,
  c.event_id is not null or o.expunged_at is not null as cancelled,
  case when p.running <= $7::bigint then o.payload::text end as payload,
  case when p.running <= $7::bigint then o.body end as body,
  p.running <= $7::bigint as complete
from s
cross join relay.registry r
left join page p on true
left join lateral (
  select *
  from relay.outbox
  where seq = p.seq
  limit 1
) as o on true
left join lateral (
  select event_id
  from relay.cancellation
  where event_id = o.id
  limit 1
) as c on true
order by p.xid, p.seq
