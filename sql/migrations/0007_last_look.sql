-- The last look that gave deliveries their places, and what it saw: if its pages were not all written when the relay was
-- killed, or lost the database, what is left of them still belongs to it.
-- breaking: no

create table relay.last_look (
  only_row boolean primary key default true check (only_row),
  number bigint not null,
  snapshot text not null
);

insert into relay.last_look (number, snapshot) values (0, '1:1:');

comment on table relay.last_look is 'The last look that brought events with an ordering key; for the places of deliveries.';

-- As sql/roles.sql has it, but at once.
do $$
declare
  command text;
begin
  execute format(
    'alter table relay.last_look owner to %s',
    (select relowner::regrole from pg_class where oid = 'relay.outbox'::regclass));
  for command in
    select format('grant select, update on relay.last_look to %s', a.grantee::regrole)
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = 'relay.fresh'::regclass and a.privilege_type = 'DELETE' and a.grantee not in (0, c.relowner)
  loop
    execute command;
  end loop;
end
$$;
