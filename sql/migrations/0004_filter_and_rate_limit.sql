-- An endpoint may ask for those events only whose payload contains something, and for no more than so many a second.
-- Breaking, since code that knows neither would send what an endpoint does not want.
-- breaking: yes

alter table relay.endpoint
  add column filter json,
  add column rate_limit double precision,
  add constraint filter_is_an_object check (
    filter is null
    or json_typeof(filter) = 'object'
    or relay.refuse(
      'filter is not a JSON object',
      'Give what a payload has to contain, for example {"currency": "EUR"}; null for every event.')
  ),
  add constraint rate_limit_is_a_rate check (
    rate_limit is null
    or (rate_limit >= 0.001 and rate_limit <= 100000)
    or relay.refuse(
      'rate_limit is not between 0.001 and 100000 requests a second',
      'Give how many requests a second the endpoint may get; null for no limit.')
  );

comment on column relay.endpoint.filter is 'It gets only events whose payload contains this, as jsonb''s @> has it.';
comment on column relay.endpoint.rate_limit is 'Requests a second that it gets at most; null: no limit.';
