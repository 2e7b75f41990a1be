-- How new the registry of endpoints is, and since when a reader must read everything anew.
select version, reload_from
from relay.registry
