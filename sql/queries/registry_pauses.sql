-- The tenants for which an operator stopped sending; a null tenant stands for everything.
select tenant
from relay.pause
