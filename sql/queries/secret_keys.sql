-- Which master keys sealed how many secrets of endpoints that are there; null: how many are not encrypted.
select s.key_id, count(*) as number
from relay.endpoint_secret s
join relay.endpoint e on e.id = s.endpoint_id
where e.removed_at is null
group by s.key_id
