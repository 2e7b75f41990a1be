-- What is in a relay's hand leaves the index of what is due, and gets one of its own: a claim that asks what is due next
-- would else walk every lease that came and went since the last vacuum, which a long transaction holds off for hours.
-- Breaking, since to code that looks for both in one index a claim would cost a walk of the whole table.
-- breaking: yes

drop index relay.delivery_due;

create index delivery_due on relay.delivery (endpoint_id, next_attempt_at)
where next_attempt_at is not null and claimed_by is null;

-- Leases have a time, so the second condition says nothing new; but a statement that names the holder, as the recording
-- one does, does not fit it, and so goes by the key and not through all the leases that came and went.
create index delivery_leased on relay.delivery (next_attempt_at)
where claimed_by is not null and next_attempt_at is not null;
