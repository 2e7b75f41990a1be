"""The panel: the operations for people."""

from relay.admin.pages.problem import problem_page
from relay.admin.pages.routes import ROUTES, STOPPING

__all__ = ["ROUTES", "STOPPING", "problem_page"]
