"""The registry, asked by a process of its own.

MLflow, its database driver and the check of a model are Python: in a worker's own process they
would take turns with scoring, and each batch would wait for them. Here the worker waits for a pipe,
gets the model's text, and has LightGBM read it, which needs no turn.
"""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any, Self

from models.boosters.golden import Golden
from models.boosters.scoring import ModelCard, TargetModel
from models.registry import CHAMPION, Registry, Version
from schemas.errors import DependencyDown, ModelRefused, first_line
from schemas.markets import Target
from schemas.sections.servers import MlflowSettings

START_SECONDS, ANSWER_SECONDS = 300.0, 60.0
"""For the first answer, as its packages take seconds to load and minutes where cores are short, and
for any later one; then it is ended."""
_ENDED = (-signal.SIGKILL, -signal.SIGTERM)
"""By somebody, not by what it was doing."""


@dataclass(frozen=True)
class _Parcel:
    """A model on its way through the pipe: a booster itself would not go."""

    text: str
    card: ModelCard
    number: str
    paper: bool
    golden: Golden
    version: str

    @classmethod
    def of(cls, model: TargetModel) -> Self:
        assert model.golden is not None, "only what was loaded is sent"
        number = model.version.partition("-")[0]
        return cls(model.text, model.card, number, model.paper, model.golden, model.version)

    def open(self) -> TargetModel:
        """Its golden vectors are not asked again: the digest says that it is the same booster."""
        model = TargetModel(self.text, self.card, self.number, self.paper)
        if model.version != self.version:
            raise ModelRefused(f"{self.card.target} model {self.version} came as {model.version}")
        model.golden = self.golden
        return model


class RegistryBeside(Registry):
    """A registry whose `find`, `load` and `remember` cost the process that asks next to nothing.

    For one thread at a time. All three raise DependencyDown also where the other process ends or
    does not answer; the next question starts another. It ends with this one, however that ends.
    """

    def __init__(
        self, settings: MlflowSettings, cache: Path, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        super().__init__(settings, cache)
        self._settings, self.answer_seconds = settings, answer_seconds
        self._has_answered = False
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Of the other process; None before the first question."""
        return None if self._process is None else self._process.pid

    def find(self, target: Target, alias_or_number: str) -> Version | None:
        found: Version | None = self._ask("find", target, alias_or_number)
        return found

    def load(self, version: Version) -> TargetModel:
        """Raises ModelRefused also where the other process perishes of it."""
        parcel: _Parcel = self._ask("load", version)
        return parcel.open()

    def remember(self, models: Iterable[TargetModel], alias: str = CHAMPION) -> None:
        parcels = [_Parcel.of(model) for model in models]
        if parcels:
            self._ask("remember", parcels, alias)

    def close(self) -> None:
        """End the other process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._line is not None:
            self._line.close()
            self._line = None

    def _ask(self, what: str, *about: Any) -> Any:
        line = self._line or self._start()
        seconds = self.answer_seconds if self._has_answered else START_SECONDS
        try:
            line.send((what, about))
            if not line.poll(seconds):
                self.close()
                raise DependencyDown(f"model registry does not answer: nothing in {seconds:.0f} s")
            answer = line.recv()
            self._has_answered = True
        except (EOFError, OSError):
            raise self._perished(what, *about) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _start(self) -> Connection:
        # Spawned, not forked: a copy of a process with threads and open connections is no good.
        context, self._has_answered = get_context("spawn"), False
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._settings, self._cache), name="registry", daemon=True
        )
        self._process.start()
        theirs.close()
        return self._line

    def _perished(self, what: str, *about: Any) -> ModelRefused | DependencyDown:
        code = None
        if self._process is not None:
            self._process.join(1.0)
            code = self._process.exitcode
        self.close()
        if what == "load" and code is not None and code not in _ENDED:
            # LightGBM ends the process over some texts; a worker must not die of what it tries.
            version: Version = about[0]
            return ModelRefused(
                f"{version.target} model {version.number}: the process that checked it has "
                f"perished ({code})"
            )
        return DependencyDown(f"model registry does not answer: its process has ended ({code})")


def _serve(line: Connection, settings: MlflowSettings, cache: Path) -> None:
    """Answer until nobody asks any more."""
    # Ctrl-C in a terminal reaches everyone there; the worker says when this is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    registry = Registry(settings, cache)
    answers: Mapping[str, Callable[..., Any]] = {
        "find": registry.find,
        "load": lambda version: _Parcel.of(registry.load(version)),
        "remember": partial(_remember, registry),
    }
    # A worker that is killed leaves the pipe broken at either end of an answer.
    with suppress(EOFError, OSError):
        while True:
            what, about = line.recv()
            line.send(_answer(answers[what], about))


def _answer(answer: Callable[..., Any], about: Iterable[Any]) -> Any:
    """What it returns or raises."""
    try:
        return answer(*about)
    except (ModelRefused, DependencyDown) as said:
        return said
    except Exception as surprise:
        # As it is it may not go through the pipe.
        kind = OSError if isinstance(surprise, OSError) else RuntimeError
        return kind(f"{type(surprise).__name__}: {first_line(surprise)}")


def _remember(registry: Registry, parcels: Iterable[_Parcel], alias: str) -> None:
    registry.remember([parcel.open() for parcel in parcels], alias)


def _end_with_parent() -> None:
    """Also in the middle of an answer: MLflow may try a server that is away for minutes."""
    parent = parent_process()
    assert parent is not None, "only ever started by RegistryBeside"
    wait([parent.sentinel])
    os._exit(0)
