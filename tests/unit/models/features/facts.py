"""What a game's state amounts to, to compare one with another."""

from hashlib import sha256

from models.features.catalogue import NAMES
from models.features.fold import GameState
from models.features.kernel import FeatureSet
from schemas.settings import Settings

FEATURES = FeatureSet.of(Settings())


def vector(state: GameState) -> str:
    """Equal exactly when the vectors are, bit for bit."""
    vectors = FEATURES.vectors(state.record, FEATURES.view(state.record))
    return sha256(vectors.tobytes()).hexdigest()


def value(state: GameState, name: str) -> float:
    row = FEATURES.vectors(state.record, FEATURES.view(state.record))
    return float(row[0, NAMES.index(name)])


def facts(state: GameState) -> tuple[object, ...]:
    """All that a prediction can depend on."""
    return (
        sha256(state.record.tobytes()).hexdigest(),
        state.position,
        state.as_of_us,
        state.newest_us,
        state.cutoff_us,
        state.lock_reason,
        vector(state),
    )
