-- Note which signed contents were seen, each under the first id that it came with.
--
-- $1 source: of all of them
-- $2 hashes: of the signed contents, in ascending order, so that two writers cannot wait for each other
-- $3 event_ids: that they came with
insert into relay_inbox.content (source, hash, event_id)
select $1::text, n.hash, n.event_id
from unnest($2::bytea[], $3::text[]) as n (hash, event_id)
on conflict (source, hash) do nothing
