"""Schemathesis against the real app over real servers: what the OpenAPI document says holds."""

import schemathesis
from hypothesis import HealthCheck, settings

from api.app import create_app
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from tests.rest import Rest

EXAMPLES = 12
"""An operation: the whole must end within CI's time."""

_APP = create_app(Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1")))
# The feed does not end. Its refusals do: tests/unit/api/test_routes.py has them.
schema = schemathesis.openapi.from_dict(_APP.openapi()).exclude(path="/v1/feed")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_to_its_description(case: schemathesis.Case, rest: Rest) -> None:
    case.call_and_validate(base_url=rest.served.url)
