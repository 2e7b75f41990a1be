-- Raise alerts; one that lasts already is not raised again, and is not among the rows.
--
-- $1 alerts: the names
-- $2 endpoint_ids: whose trouble each is; null: of everything
-- $3 summaries: a sentence for each
-- $4 details: JSON text of the numbers behind each
insert into relay.alert (alert, endpoint_id, summary, detail)
select alert, endpoint_id, summary, detail::json
from unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) as n(alert, endpoint_id, summary, detail)
on conflict do nothing
returning
  id,
  alert,
  endpoint_id,
  summary,
  detail::text as detail,
  raised_at
