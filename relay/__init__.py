"""Relay: committed rows become signed webhooks."""

__version__ = "0.1.0"
