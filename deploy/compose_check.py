"""Is docker-compose.yml valid? Checked without Docker.

`compose-spec` refuses unknown keys and wrong types, but knows no ${VARIABLES} and does not look
whether a `depends_on` exists, so both are seen to here.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from compose_spec import PyCompose

from schemas.errors import ConfigError

ROOT = Path(__file__).parents[1]
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::?(?P<rule>[-?])(?P<rest>[^}]*))?\}")


def check(text: str, env: Mapping[str, str]) -> dict[str, Any]:
    """The services, with every variable filled from `env`. Raises ConfigError with the fault."""
    try:
        # Parsed first, because the validator does not know YAML's merge keys (<<). JSON is YAML.
        compose = PyCompose.from_yaml(json.dumps(yaml.safe_load(interpolate(text, env))))
        compose.validate()
    except (ValueError, yaml.YAMLError) as fault:
        raise _broken(str(fault)) from None
    services: dict[str, Any] = compose.to_dict()["services"]
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            if other not in services:
                raise _broken(f"services.{name}.depends_on: there is no service {other}")
    return services


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """As Docker does: a value, else the default, else an error."""

    def fill(found: re.Match[str]) -> str:
        value = env.get(found["name"])
        if value:
            return value
        if found["rule"] == "-":
            return found["rest"]
        raise _broken(f"{found['name']} has no value: {found['rest'] or 'it is not set'}")

    return VARIABLE.sub(fill, text)


def example(text: str) -> dict[str, str]:
    """The variables of an .env file: lines of NAME=value."""
    pairs = (line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))
    return {name: value for name, value in pairs}


def _broken(fault: str) -> ConfigError:
    return ConfigError("docker-compose.yml", fault, "Compare with the Compose specification")


if __name__ == "__main__":
    variables = example((ROOT / ".env.example").read_text())
    try:
        check((ROOT / "docker-compose.yml").read_text(), variables)
    except ConfigError as fault:
        sys.exit(str(fault))
