"""Scrapes a running relay as Prometheus does."""

from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape found.

    Attributes:
        samples: By name and labels.
    """

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: object) -> float | None:
        """Return one sample, or None if it is not there; `class` is written `class_`."""
        wanted = {(key.rstrip("_"), str(value)) for key, value in labels.items()}
        return self.samples.get((name, frozenset(wanted)))

    def all(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """Return every sample of this name, by its labels."""
        return {labels: value for (each, labels), value in self.samples.items() if each == name}


async def scrape(port: int) -> Scrape:
    """Ask for `/metrics`."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(10)) as client,
        client.get("/metrics") as response,
    ):
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    return Scrape(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )
