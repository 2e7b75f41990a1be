-- What the example receivers write to, in their own database.
create table booking (
  number bigint generated always as identity primary key,
  event_id text not null,
  invoice text,
  version bigint
);
