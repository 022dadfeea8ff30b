"""What a logged model says of the code it comes from, of what it takes and of how it was made."""

import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.boosters.parameters import BoosterParameters
from models.features.catalogue import NAMES
from schemas.errors import ModelRefused


def code_revision() -> dict[str, str]:
    """The package's version and, in a checkout, the commit, `+` where files differ from it."""
    try:
        found = {"steamline.version": version("steamline")}
    except PackageNotFoundError:
        found = {"steamline.version": "unknown"}
    root = Path(__file__).parents[1]
    if (root / ".git").exists():
        commit, changed = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
        if commit:
            found["mlflow.source.git.commit"] = commit + ("+" if changed else "")
    return found


def _git(root: Path, *arguments: str) -> str:
    """Empty where git is not there or does not want to."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def signature_file(folder: Path, run_id: str) -> None:
    """Write `MLmodel`, from which MLflow knows what goes in and what comes out."""
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    per_row = (-1,)
    inputs: list[ColSpec | TensorSpec] = [
        TensorSpec(np.dtype(np.float32), (-1, len(NAMES)), "vectors"),
        TensorSpec(np.dtype(np.float64), per_row, "consensus"),
        TensorSpec(np.dtype(np.float64), per_row, "line"),
    ]
    outputs: list[ColSpec | TensorSpec] = [
        TensorSpec(np.dtype(np.float64), per_row, "probability"),
        TensorSpec(np.dtype(np.float64), per_row, "mean"),
    ]
    model = Model(run_id=run_id, signature=ModelSignature(Schema(inputs), Schema(outputs)))
    model.add_flavor("steamline", booster="booster.txt", card="card.json", golden="golden.json")
    model.save(str(folder / "MLmodel"))


@dataclass(frozen=True)
class Logged:
    """What was logged when a version was made."""

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    importances: Mapping[str, float]

    def recipe(self) -> tuple[BoosterParameters, int, int | None]:
        """Booster parameters, seed and window in days that made it.

        Raises ModelRefused where these were not logged.
        """
        usual = asdict(BoosterParameters())
        try:
            made = BoosterParameters(
                **{name: type(value)(self.parameters[name]) for name, value in usual.items()}
            )
            window = self.parameters["window_days"]
            return made, int(self.parameters["seed"]), None if window == "None" else int(window)
        except (KeyError, ValueError) as bad:
            raise ModelRefused(f"how the model was trained was not logged: {bad}") from None
