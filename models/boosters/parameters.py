"""What each target is trained with: the one place for hyper-parameters and known signs."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from models.features.catalogue import NAMES
from schemas.markets import Target


@dataclass(frozen=True)
class BoosterParameters:
    """LightGBM's names and meanings; few games and a market that is nearly right ask for shallow
    trees, slow steps and strong shrinkage."""

    learning_rate: float = 0.02
    num_leaves: int = 7
    min_data_in_leaf: int = 100
    lambda_l2: float = 100.0
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.7
    max_trees: int = 300
    patience: int = 30
    """Trees without a better stopping slice after which it ends."""

    def lightgbm(self, target: Target, seed: int, threads: int) -> dict[str, Any]:
        """Parameters of `lightgbm.train`, all but the objective."""
        own = asdict(self)
        del own["max_trees"], own["patience"]
        return {
            **own,
            "bagging_freq": 1,
            "seed": seed,
            "monotone_constraints": signs(target),
            "num_threads": threads,
            **DATASET,
        }


DATASET: dict[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    # It would leave out features by min_data_in_leaf, and one data set serves many settings.
    "feature_pre_filter": False,
    "verbosity": -1,
}
"""What binning needs to know as well."""

# The score of a distribution is its tilt: an outcome's variance is 70 times that of a coin, and
# LightGBM's lambda_l2 counts in it.
_LAW = BoosterParameters(lambda_l2=7_500.0)

PARAMETERS: dict[Target, BoosterParameters] = {
    Target.MONEYLINE: BoosterParameters(),
    Target.TOTAL: BoosterParameters(),
    Target.RUNS: _LAW,
    Target.MARGIN: _LAW,
}

# The trees learn what the price misses, so a sign must hold beyond the price, not only with it.
# The consensus itself has none: favourite-longshot bias goes either way. Nor has steam, which may
# be early or overdone, nor what the public sees (form, runs, splits). What has one:
# - books that are known to be sharp, where they are above the others or ahead of them: the
#   consensus is a median, and follows;
# - ratings that are made without prices: where they know more, it is in their own direction.
_RATINGS = ("elo_difference", "elo_home", "elo_home_starters")
INCREASING: dict[Target, tuple[str, ...]] = {
    Target.MONEYLINE: ("moneyline_sharp_less_soft", "moneyline_sharp_lead_15m", *_RATINGS),
    Target.TOTAL: ("total_sharp_less_soft",),
    Target.RUNS: ("total_sharp_less_soft",),
    Target.MARGIN: ("run_line_sharp_less_soft", "moneyline_sharp_lead_15m", *_RATINGS),
}
"""Features with which a target's score may only rise."""


def signs(target: Target) -> list[int]:
    """One a feature, in the order of the vector: 1 may only rise, 0 free."""
    rising = set(INCREASING[target])
    return [int(name in rising) for name in NAMES]


def tuned(target: Target, found: dict[str, float]) -> BoosterParameters:
    """The target's own, with some replaced. Raises TypeError for a name that is none."""
    changed: dict[str, Any] = dict(found)
    return replace(PARAMETERS[target], **changed)
