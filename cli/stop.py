"""`steamline stop` and `steamline resume`: the switch that takes all stakes back."""

from typing import Annotated

import typer

Reason = Annotated[str, typer.Option(help="Why; it stands in the message.")]
OneBankroll = Annotated[
    str | None, typer.Option("--bankroll", help="Of this bankroll only. Default: all of them.")
]


def stop(reason: Reason, bankroll: OneBankroll = None) -> None:
    """Stake nothing from now on: every stake that stands goes to zero, and stays there."""
    named = _say(stopped=True, reason=reason, bankroll=bankroll)
    print(f"stopped {named}: nothing is staked until `steamline resume` says so of the same")


def resume(reason: Reason, bankroll: OneBankroll = None) -> None:
    """Take back a stop. One of all bankrolls and one of a single bankroll are two stops."""
    named = _say(stopped=False, reason=reason, bankroll=bankroll)
    print(f"resumed {named}")


def _say(stopped: bool, reason: str, bankroll: str | None) -> str:
    """Returns once the broker has it."""
    from datetime import UTC, datetime

    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.topics import ensure_topics
    from flows.steps.told import switch
    from schemas.errors import ConfigError
    from schemas.settings import Settings
    from schemas.time import to_us

    settings = resolve(Settings.read())
    names = [one.name for one in settings.all_bankrolls]
    if bankroll is not None and bankroll not in names:
        # A stop that nobody listens to is worse than none.
        raise ConfigError("--bankroll", f"{bankroll!r} is none", f"Name one of {', '.join(names)}")
    if not 0 < len(reason) <= 500:
        raise ConfigError("--reason", "must have 1 to 500 characters", "Say why in a sentence")
    ensure_topics(settings.kafka)
    producer = ConfirmedProducer(settings.kafka)
    producer.send(switch(stopped, reason, bankroll, to_us(datetime.now(UTC))))
    producer.confirm()
    return bankroll or "all bankrolls"
