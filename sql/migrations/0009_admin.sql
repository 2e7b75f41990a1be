-- What the admin panel, its API and alerts remember.
-- breaking: no

create table relay.admin_session (
  session_hash bytea primary key,
  token_id uuid not null references relay.admin_token (id) on delete cascade,
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  expires_at timestamptz not null
);

create index admin_session_token on relay.admin_session (token_id);

comment on table relay.admin_session is 'Who is signed in to the panel: SHA-256 of a cookie, and the token that was shown for it.';

create table relay.sign_in_code (
  code_hash bytea primary key,
  token_id uuid not null references relay.admin_token (id) on delete cascade,
  expires_at timestamptz not null
);

comment on table relay.sign_in_code is 'Links that sign somebody in once: SHA-256 of the code in them.';

create table relay.idempotency_key (
  token_id uuid not null references relay.admin_token (id) on delete cascade,
  key text not null,
  request_hash bytea not null,
  object_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (token_id, key)
);

create index idempotency_key_created on relay.idempotency_key (created_at);

comment on table relay.idempotency_key is 'What was created under an Idempotency-Key, so that the same request again creates nothing.';
comment on column relay.idempotency_key.request_hash is 'SHA-256 of the request, to tell another one under the same key.';

create table relay.alert (
  id bigint generated always as identity primary key,
  alert text not null,
  endpoint_id uuid,
  summary text not null,
  detail json not null default '{}',
  raised_at timestamptz not null default now(),
  cleared_at timestamptz
);

create unique index alert_active on relay.alert (alert, coalesce(endpoint_id, '00000000-0000-0000-0000-000000000000'))
  where cleared_at is null;
create index alert_raised on relay.alert (raised_at);

comment on table relay.alert is 'Alerts, raised and cleared.';
comment on column relay.alert.endpoint_id is 'Whose trouble it is; null: of everything.';
comment on column relay.alert.detail is 'The numbers behind the summary.';
