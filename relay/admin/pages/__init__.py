"""The panel: the operations for people."""

from relay.admin.pages.problem import problem_page
from relay.admin.pages.routes import ROUTES, STOPPING, prepare

__all__ = ["ROUTES", "STOPPING", "prepare", "problem_page"]
