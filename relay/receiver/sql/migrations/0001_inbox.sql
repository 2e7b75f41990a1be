-- The inbox: events that were received, the highest version of each key, and what signed contents were seen.

create table relay_inbox.event (
  seq bigint generated always as identity primary key,
  source text not null,
  event_id text not null,
  event_type text,
  ordering_key text,
  version bigint,
  headers json not null,
  body bytea not null,
  signed_at timestamptz not null,
  received_at timestamptz not null default clock_timestamp(),
  state text not null default 'waiting' check (state in ('waiting', 'done', 'stale', 'dead')),
  failures integer not null default 0,
  next_attempt_at timestamptz default clock_timestamp(),
  error text,
  ended_at timestamptz,
  unique (source, event_id),
  check ((state = 'waiting') = (next_attempt_at is not null)),
  check ((state = 'waiting') = (ended_at is null))
);

create index event_due on relay_inbox.event (source, next_attempt_at, seq) where state = 'waiting';

create index event_of_key
on relay_inbox.event (source, ordering_key, coalesce(version, 9223372036854775807), seq)
where state = 'waiting' and ordering_key is not null;

-- Of a key only the first is due; the others wait here until it is their turn.
create index event_held on relay_inbox.event (source, ordering_key)
where state = 'waiting' and ordering_key is not null and next_attempt_at = 'infinity';

create index event_dead on relay_inbox.event (source, seq) where state = 'dead';

create index event_ended on relay_inbox.event (source, ended_at) where ended_at is not null;

-- The table is large and its newest rows are the busy ones, so a share of it says little about when to clean up.
alter table relay_inbox.event set (
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000);

comment on table relay_inbox.event is 'Every event that was received, once; its handler commits together with state done.';
comment on column relay_inbox.event.event_id is 'The sender''s id of the event, the same in every attempt.';
comment on column relay_inbox.event.version is 'Orders the events of one key; null: by their arrival, after those that have one.';
comment on column relay_inbox.event.headers is 'Those that the inbox keeps, under lower-case names.';
comment on column relay_inbox.event.signed_at is 'By the sender''s clock, as the signature covers it.';
comment on column relay_inbox.event.state is 'waiting; done; stale: older than its key''s mark; dead: given up, kept for a person.';
comment on column relay_inbox.event.failures is 'How often its handler failed.';
comment on column relay_inbox.event.next_attempt_at is 'Not before; infinity: not before an earlier one of its key; null once it is over.';
comment on column relay_inbox.event.error is 'What the last failure said.';

create table relay_inbox.mark (
  source text not null,
  ordering_key text not null,
  version bigint not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (source, ordering_key)
);

comment on table relay_inbox.mark is 'The highest version of each key that was handled.';

create table relay_inbox.content (
  source text not null,
  hash bytea not null,
  event_id text not null,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (source, hash)
);

create index content_seen on relay_inbox.content (source, seen_at);

comment on table relay_inbox.content is 'Signed contents of the format x-webhook, whose event id is not signed: each is good for one id.';
comment on column relay_inbox.content.hash is 'SHA-256 of the signed text: time, full stop, body.';
