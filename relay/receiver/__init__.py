"""For applications that receive webhooks: needs only the standard library."""

from relay.receiver.verify import VerificationError, Verified, verify

__all__ = ["VerificationError", "Verified", "verify"]
