-- A new operation, with nothing selected; it does nothing until it is started.
--
-- $1 kind: replay, retry or discard
-- $2 selection: JSON text, what selects its deliveries, for people
-- $3 rate: deliveries a second at most; null: no limit
-- $4 actor: who does it
-- $5 redeliver: whether what was delivered is sent again
-- $6 make_missing: whether deliveries are made that never were
insert into relay.operation (kind, selection, rate, actor, redeliver, make_missing)
values ($1::text, $2::text::json, $3::double precision, $4::text, $5::boolean, $6::boolean)
returning id
