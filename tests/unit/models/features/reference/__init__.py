"""What every feature is in words, computed from the raw events in plain Python.

Slow and direct on purpose. The files mirror those of the kernel.
"""

from models.features.catalogue import CONTEXT
from tests.unit.models.features.reference.pricing import pricing
from tests.unit.models.features.reference.raw import NAN, Raw
from tests.unit.models.features.reference.sentiment import sentiment
from tests.unit.models.features.reference.temporal import temporal


class Reference(Raw):
    def features(self) -> dict[str, float]:
        return {
            **temporal(self),
            **pricing(self),
            **sentiment(self),
            **{name: self.context.get(name, NAN) for name in CONTEXT},
        }
