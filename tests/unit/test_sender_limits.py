"""What the settings say of requests reaches them."""

from datetime import timedelta

from relay.config_sections import Delivery
from relay.pipeline.sender import Limits, limits_of


def test_requests_are_made_as_the_settings_say() -> None:
    settings = Delivery(user_agent="Us/2", connect_timeout=timedelta(seconds=7), max_response_bytes=100)

    assert limits_of(settings) == Limits(user_agent="Us/2", connect_timeout=7.0, max_response_bytes=100)
