"""The full numbers run only when they are asked for."""

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the full numbers out unless `-m full` or RELAY_TEST_FULL=1 asks for them."""
    if "full" in config.option.markexpr or os.environ.get("RELAY_TEST_FULL") == "1":
        return
    full = [item for item in items if item.get_closest_marker("full")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]
