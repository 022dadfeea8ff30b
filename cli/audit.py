"""`steamline audit`: nothing lost and nothing twice, from the archive to Kafka to Postgres."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def audit(
    archive: Annotated[
        Path | None, typer.Option(help="Archive folder; without it, Kafka and Postgres alone.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only the games of this day.")
    ] = None,
    kafka: Annotated[bool, typer.Option(help="Read the topics.")] = True,
    postgres: Annotated[bool, typer.Option(help="Ask the database.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Compare ids by topic at every stage; exit 1 where one stage lacks what another has."""
    import json

    from deploy.stack import resolve
    from flows.audit import compare, of_archive, of_database, of_topics
    from schemas.errors import ConfigError
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    only = day.date() if day is not None else None
    stages = []
    if archive is not None:
        stages.append(of_archive(archive, only))
    if kafka and settings.kafka.bootstrap is not None:
        stages.append(of_topics(settings, only))
    if postgres and settings.postgres.dsn is not None:
        stages.append(of_database(settings.postgres, only))
    if len(stages) < 2:
        raise ConfigError(
            "audit",
            f"{len(stages)} of archive, Kafka and Postgres are there to compare",
            "Give --archive, or run `steamline stack up`",
        )
    found = compare(stages)
    differences = sum(one.missing + one.extra for one in found)
    if as_json:
        told = {
            "stages": [stage.report() for stage in stages],
            "differences": differences,
            "found": [one._asdict() for one in found],
        }
        print(json.dumps(told))
    else:
        names = [stage.name for stage in stages]
        print(f"{'topic':14}" + "".join(f"{name:>12}" for name in names))
        for topic in stages[-1].ids:
            held = (len(s.ids[topic]) if topic in s.ids else None for s in stages)
            print(f"{topic:14}" + "".join(f"{'-' if n is None else n:>12}" for n in held))
        for one in found:
            first, second = one.between
            print(
                f"{one.topic}: {one.missing} of {first} are not in {second}, {one.extra} the other "
                f"way, e.g. {one.examples[0]}"
            )
        print(f"{differences} differences")
    if differences:
        raise typer.Exit(1)
