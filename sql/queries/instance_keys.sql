-- Say which master keys this relay holds from now on.
--
-- $1 instance: who we are
-- $2 key_ids: all of them
update relay.relay_instance
set key_ids = $2
where id = $1::bigint
