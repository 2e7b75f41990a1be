-- A tenant's events in their order, for lists of what is one tenant's among those of thousands.
-- An application without tenants pays nothing for it: its events are not in the index.
-- breaking: no

create index outbox_tenant on relay.outbox (tenant, seq) where tenant <> '';
