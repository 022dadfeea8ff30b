"""Does requirements.lock still hold what pyproject.toml asks for? Answered without a network."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)")


def drift(pyproject: str, lock: str) -> Iterator[str]:
    """Each requirement without a fitting pin, and each pin without a hash."""
    pins: dict[str, str] = {}
    entries = re.split(r"\n(?=\S)", lock)
    for entry in entries:
        pin = PIN.match(entry)
        if pin is None:
            continue
        pins[canonicalize_name(pin["name"])] = pin["version"]
        if "--hash=sha256:" not in entry:
            yield f"{pin['name']} has no hash"
    project = tomllib.loads(pyproject)
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    for line in wanted:
        requirement = Requirement(line)
        version = pins.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"{requirement.name} is not locked"
        elif not requirement.specifier.contains(version, prereleases=True):
            yield f"{requirement.name}=={version} is locked, {requirement.specifier} is asked for"


if __name__ == "__main__":
    found = list(
        drift((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text())
    )
    if found:
        sys.exit("requirements.lock is behind pyproject.toml, run `make lock`: " + "; ".join(found))
