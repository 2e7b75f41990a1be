-- The number of a look that brought events with an ordering key, for the places of their deliveries.
select nextval('relay.look_number') as look_number
