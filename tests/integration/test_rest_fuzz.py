"""Schemathesis against the real app over real servers: what the OpenAPI document says holds."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api.app import create_app
from api.keys import Scope
from api.keystore import KeyStore
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from tests.rest import Rest
from tests.samples import at
from tests.served import Served, serving

EXAMPLES = 15
"""An operation: the whole must end within CI's time."""

_APP = create_app(Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1")))
# The feed does not end. Its refusals do: tests/unit/api/test_routes.py has them.
schema = schemathesis.openapi.from_dict(_APP.openapi()).exclude(path="/v1/feed")

OF_THE_REGISTRY = (
    "/v1/models",
    "/v1/models/{target}",
    "/v1/games/{game_id}/explanation",
)
"""No MLflow and no score worker's models here, which is 503: tests/integration/test_models_api.py
and test_explanation.py have them."""
BODIES = ("/v1/kelly", "/v1/fills")
"""More lenient than their schema: numbers may come as text. And stricter: rules between fields (a
line that fits its market, ids that stand once) are none that JSON Schema can say. What is refused
and why is tested by hand: tests/unit/api/test_routes.py, test_fills.py."""
BEYOND_SCHEMA = ("query.cursor: ", "query.to_us: ")
"""Nor can it say where a cursor comes from, or that a span holds something."""


MANY = 1_000_000
"""Requests a minute: none of this is to be refused for its number."""


@pytest.fixture(scope="module")
def api(rest: Rest) -> Iterator[Served]:
    """The same servers behind keys, so that what is asked without one is refused."""
    limits = {"key_requests": MANY, "address_requests": MANY, "address_failures": MANY}
    asked = rest.settings.api.model_copy(update={"auth": "keys", **limits})
    with serving(rest.settings.model_copy(update={"api": asked})) as served:
        yield served


@pytest.fixture(scope="module")
def key(rest: Rest) -> str:
    async def made() -> str:
        store = KeyStore(rest.settings.postgres)
        try:
            return (await store.add("fuzz", (Scope.ADMIN,), at(0), None))[1]
        finally:
            await store.close()

    return asyncio.run(made())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_to_its_description(
    case: schemathesis.Case[Any], api: Served, key: str
) -> None:
    answer = case.call(base_url=api.url, headers={"Authorization": f"Bearer {key}"})
    case.validate_response(answer, excluded_checks=excluded(case, answer))


def excluded(case: schemathesis.Case[Any], answer: Response) -> list[Any]:
    checks: list[Any] = []
    if "Authorization" not in (case.headers or {}):
        # Left out to be refused for it, and put in again by this test.
        checks.append(negative_data_rejection)
    if case.path in OF_THE_REGISTRY and answer.status_code == 503:
        checks.append(not_a_server_error)
    if case.path in BODIES and case.method == "POST":
        checks += [negative_data_rejection, positive_data_acceptance]
    if answer.status_code == 422 and answer.json()["detail"].startswith(BEYOND_SCHEMA):
        checks.append(positive_data_acceptance)
    return checks
