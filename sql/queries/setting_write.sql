-- Hand a limit to the database, which enforces it at insert.
--
-- $1 name: of the setting
-- $2 value: in bytes
insert into relay.setting (name, value)
values ($1, $2::bigint)
on conflict (name) do update set value = excluded.value where setting.value <> excluded.value
