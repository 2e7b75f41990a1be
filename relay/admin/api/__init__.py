"""`/api/v1/`: the operations for programs."""

from relay.admin.api.routes import ROUTES

__all__ = ["ROUTES"]
