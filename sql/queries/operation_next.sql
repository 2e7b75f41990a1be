-- The operations that are to be worked on, the oldest first.
select id, kind, rate
from relay.operation
where state = 'running'
order by id
