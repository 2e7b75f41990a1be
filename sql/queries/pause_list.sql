-- What is paused by an operator: tenants, or (null) everything.
select tenant, paused_at, paused_by
from relay.pause
order by paused_at
