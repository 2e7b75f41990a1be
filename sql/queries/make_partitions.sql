-- Make the day partitions of the delivery log that are missing, two weeks ahead; returns how many were made.
select relay.make_partitions() as made
