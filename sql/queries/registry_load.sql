-- The endpoints changed after a version of the registry (0: all), with their secrets.
--
-- $1 version: what the reader knows already
select
  e.id,
  e.url,
  e.tenant,
  e.event_types,
  e.filter::text as filter,
  e.headers::text as headers,
  e.signature,
  extract(epoch from e.timeout)::double precision as timeout,
  e.ordered,
  e.rate_limit,
  e.max_in_flight,
  (select array_agg(extract(epoch from step)::double precision order by n)
   from unnest(e.retry_schedule) with ordinality as x(step, n)) as retry_schedule,
  e.store_response_body,
  e.state,
  e.removed_at is not null as removed,
  s.sealed,
  s.key_ids,
  s.ends
from relay.endpoint e
left join lateral (
  select
    array_agg(sealed order by id desc) as sealed,
    array_agg(key_id order by id desc) as key_ids,
    array_agg(extract(epoch from expires_at)::double precision order by id desc) as ends
  from relay.endpoint_secret
  where endpoint_id = e.id
    and (expires_at is null or expires_at > now())
) as s on true
where e.revision > $1::bigint
