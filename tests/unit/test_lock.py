from pathlib import Path

from deploy.lock_check import drift

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
LOCK = (ROOT / "requirements.lock").read_text()


def test_the_lock_holds_what_the_project_asks_for() -> None:
    assert list(drift(PYPROJECT, LOCK)) == []


def test_drift_is_found() -> None:
    lock = (
        "bytewax==0.21.0 \\\n    --hash=sha256:00\n"
        "numpy==2.0 ; python_version > '3' \\\n    --hash=sha256:00\n"
        "rich==1.0\n"
    )
    found = set(drift(PYPROJECT, lock))
    assert "rich has no hash" in found
    assert "bytewax==0.21.0 is locked, ==0.21.1 is asked for" in found
    assert "polars is not locked" in found
    assert not any(line.startswith("numpy") for line in found)
