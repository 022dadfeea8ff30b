"""`steamline` whose `ingest` speaks the tests' own format: run as `python -m tests.fake_ingest`."""

from flows.sources import feeds
from schemas.settings import Settings
from tests.unit import facts


def sources(
    settings: Settings, only: frozenset[str] = frozenset(), *, played: bool = False
) -> feeds.Sources:
    return facts.feeds(settings.oddsapi.url)


if __name__ == "__main__":
    feeds.sources = sources
    from cli.main import main

    main()
