-- Return which of the signed contents were seen under another id, by their place in the arguments, from 1.
-- To be run after `note_contents` and as a statement of its own, so that it sees what others noted meanwhile.
--
-- $1 source: of all of them
-- $2 hashes: of the signed contents
-- $3 event_ids: that they came with
select n.place
from unnest($2::bytea[], $3::text[]) with ordinality as n (hash, event_id, place)
cross join lateral (
  select c.event_id
  from relay_inbox.content c
  where c.source = $1::text
  and c.hash = n.hash
  limit 1) seen
where seen.event_id <> n.event_id
