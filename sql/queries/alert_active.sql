-- Alerts that last.
select
  id,
  alert,
  endpoint_id,
  summary,
  detail::text as detail,
  raised_at
from relay.alert
where cleared_at is null
