-- Raise the mark of a key to a version that was handled; it never falls.
--
-- $1 source: of the key
-- $2 ordering_key: the key
-- $3 version: that was handled
insert into relay_inbox.mark as m (source, ordering_key, version)
values ($1::text, $2::text, $3::bigint)
on conflict (source, ordering_key) do update
set version = greatest(m.version, excluded.version), changed_at = clock_timestamp()
