-- Since when the log is whole.
select relay.log_begins() as log_begins
