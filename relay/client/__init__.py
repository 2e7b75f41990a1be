"""For applications that publish events: needs only the standard library."""

from relay.client.publish import cancel, publish

__all__ = ["cancel", "publish"]
