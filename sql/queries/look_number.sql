-- The number of a look that brought events with an ordering key, for the places of their deliveries; with the last one
-- before it and what that saw. Events that it saw too were not written then, and belong to it.
--
-- $1 snapshot: what the look saw
with before as materialized (
  select number, snapshot
  from relay.last_look
  for update
)
update relay.last_look
set
  number = nextval('relay.look_number'),
  snapshot = $1::text
from before
returning last_look.number as look_number, before.number as number_before, before.snapshot as snapshot_before
