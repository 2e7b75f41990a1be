-- Note an alert that could not be written down while it lasted, and is over.
--
-- $1 alert: its name
-- $2 summary: a sentence
-- $3 detail: JSON text of the numbers behind it
-- $4 raised_for: seconds for which it lasted
insert into relay.alert (alert, summary, detail, raised_at, cleared_at)
values ($1::text, $2::text, $3::text::json, now() - $4::double precision * interval '1 second', now())
