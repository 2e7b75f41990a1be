-- Enter this process among the relays; returns its id.
--
-- $1 host: name of the machine
-- $2 boot_id: of its running kernel
-- $3 pid: of the process
-- $4 process_started: clock ticks since boot at which it began
-- $5 version: of the product
-- $6 key_ids: the master keys that it holds
insert into relay.relay_instance (host, boot_id, pid, process_started, version, key_ids)
values ($1, $2, $3, $4, $5, $6)
returning id
