"""Where a flow says what it is doing, for whoever traces it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Spans(Protocol):
    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """Of what is done with the batch that was read last."""


class Untraced:
    """Notices nothing."""

    _nothing = nullcontext()

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        return self._nothing


UNTRACED = Untraced()
