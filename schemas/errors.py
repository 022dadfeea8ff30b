"""One tree of errors: what went wrong, which key, how to mend it."""


class SteamlineError(Exception):
    """Root of every error that Steamline raises on purpose."""


class ConfigError(SteamlineError):
    """A setting is missing or wrong; start-up stops with this one line."""

    def __init__(self, key: str, problem: str, fix: str) -> None:
        super().__init__(f"{key}: {problem}. {fix}")
        self.key = key


class OtherSnapshot(ConfigError):
    """Recovery state that another version of Steamline wrote."""

    def __init__(self, found: object, wanted: int) -> None:
        super().__init__(
            "recovery state",
            f"was written by another version ({found}, not {wanted})",
            "Start with an empty recovery folder: the topics rebuild it",
        )


class DependencyDown(SteamlineError):
    """A server that is needed now does not answer."""


class DeliveryFailed(SteamlineError):
    """Kafka refused a record for good; the snapshot that would cover it must not be taken."""


class OffsetOutOfRange(SteamlineError):
    """The resume offset is no longer in the topic; going on would skip events silently."""


class Unwritable(SteamlineError):
    """The disk takes no more; what could not be written is still on Kafka."""


class RejectedEvent(SteamlineError):
    """An input event that must go to the dead letters."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ModelRefused(SteamlineError):
    """A model does not fit this feature set, is damaged, or predicts nonsense."""


class DataMissing(SteamlineError):
    """An archive or data folder does not hold what was asked for."""


class SourceUnavailable(SteamlineError):
    """A polled source does not answer, or not as it should; it is asked again later."""


class SourceBusy(SteamlineError):
    """A polled source asks to be left alone, or its quota is spent."""

    def __init__(self, problem: str, seconds: float) -> None:
        super().__init__(problem)
        self.seconds = seconds


class Unproven(SteamlineError):
    """Stakes whose optimality conditions do not hold closely enough: none are given."""

    def __init__(self, residual: float, tolerance: float) -> None:
        super().__init__(
            f"kelly: the optimum is not proven, its residual {residual:.3g} is above "
            f"{tolerance:g}. No stake is given; report the slate"
        )


class FeedRefused(SteamlineError):
    """The feed does not serve this client, and asking again would not help."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class FeedUnreadable(SteamlineError):
    """The feed sent what this client does not understand; going on would lose it silently."""


def first_line(problem: BaseException) -> str:
    """What a library says, as far as it fits into a line of ours."""
    return str(problem).strip().partition("\n")[0]
