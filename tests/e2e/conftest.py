from tests.support.admin import panel
from tests.support.world import world

__all__ = ["panel", "world"]
