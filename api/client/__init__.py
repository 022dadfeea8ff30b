"""Follow the live feed from another program: `from api.client import Feed`."""

from api.client.connection import Wait
from api.client.events import Event, Lost
from api.client.feed import Feed

__all__ = ["Event", "Feed", "Lost", "Wait"]
