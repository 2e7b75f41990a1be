"""The health endpoints, and `relay health` that asks them."""

import aiohttp
import pytest

from relay.config_places import Address
from relay.observe.health import CannotListen, HealthServer


async def no_metrics() -> bytes:
    return b""


async def test_an_address_that_is_taken_is_an_error_that_says_what_to_set() -> None:
    first = HealthServer(address=Address(host="127.0.0.1", port=0), readiness=list, metrics=no_metrics)
    await first.start()
    second = HealthServer(
        address=Address(host="127.0.0.1", port=first.port), readiness=list, metrics=no_metrics
    )

    with pytest.raises(CannotListen, match=r"metrics\.listen"):
        await second.start()

    await second.stop()
    await first.stop()


async def test_readiness_names_what_stands_against_it() -> None:
    against: list[str] = ["the database is away"]
    server = HealthServer(
        address=Address(host="127.0.0.1", port=0), readiness=lambda: against, metrics=no_metrics
    )
    await server.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
        async with client.get("/healthz") as alive:
            assert alive.status == 200
        async with client.get("/readyz") as unready:
            assert (unready.status, (await unready.json())["reasons"]) == (503, against)
        against.clear()
        async with client.get("/readyz") as ready:
            assert ready.status == 200
    await server.stop()
