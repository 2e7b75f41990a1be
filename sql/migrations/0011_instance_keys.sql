-- Which master keys each relay holds, so that nothing is sealed anew by one that a running relay lacks.
-- breaking: no

alter table relay.relay_instance add column key_ids text[];

comment on column relay.relay_instance.key_ids is 'Names of the master keys that it holds; null: it does not say, as before this column was there.';
