-- Give an endpoint another secret, with a row of the audit, and return how many secrets sign now.
--
-- Those it had go on signing for the overlap, but no longer than they were to; of them the newest four are kept. No row
-- if it does not exist or is removed.
--
-- $1 id: the endpoint
-- $2 sealed: the new secret
-- $3 key_id: the master key that sealed it; null if none
-- $4 overlap: how long the old ones sign beside it; none: they are deleted
-- $5 actor: who does it
with present as materialized (
  select id
  from relay.endpoint
  where id = $1::uuid
    and removed_at is null
  for no key update
),
old as materialized (
  select s.id, $4::interval > interval '0' and row_number() over (order by s.id desc) <= 4 as is_kept
  from relay.endpoint_secret s
  join present p on p.id = s.endpoint_id
  where s.expires_at is null
     or s.expires_at > now()
),
deleted as (
  delete from relay.endpoint_secret s
  using present p
  where s.endpoint_id = p.id
    and not exists (select from old where old.id = s.id and old.is_kept)
),
kept as (
  update relay.endpoint_secret s
  set expires_at = least(s.expires_at, now() + $4)
  from old
  where s.id = old.id
    and old.is_kept
  returning s.id
),
added as (
  insert into relay.endpoint_secret (endpoint_id, sealed, key_id)
  select id, $2::bytea, $3
  from present
  returning id
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $5, 'endpoint.rotate_secret', id::text, json_build_object('overlap_s', extract(epoch from $4)::bigint)
  from present
)
select (select count(*) from kept) + (select count(*) from added) as signing
from present
