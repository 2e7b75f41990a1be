"""What the panel may cost the database: a question that takes too long ends there too, and is told as what it is."""

import asyncio

from tests.support.admin import Panel
from tests.support.api import program
from tests.support.database import connected

SLOW = """
alter table relay.alert rename to alert_of_before;
create view relay.alert as select a.* from relay.alert_of_before a, pg_sleep(60);
insert into relay.alert_of_before (alert, summary, detail) values ('some', 'trouble', '{}');
"""
ASKED = "select count(*) from pg_stat_activity where application_name = 'relay panel' and state = 'active'"


async def test_questions_that_take_too_long_end_in_the_database_too_and_are_told_as_what_they_are(
    panel: Panel,
) -> None:
    async with connected(panel.world.dsn) as connection, program(panel) as asked:
        await connection.execute(SLOW)
        answers = await asyncio.gather(*(asked.try_to_ask("GET", "/alerts") for _ in range(6)))
        assert sorted(answer["code"] for _, answer in answers) == ["busy"] * 2 + ["too_slow"] * 4
        await asked.ask("GET", "/endpoints")
        assert await connection.fetchval(ASKED) == 0
