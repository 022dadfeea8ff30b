"""Server processes that outlive the command which started them."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

from schemas.errors import DependencyDown

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)

# Children of this interpreter: somebody has to reap them, or they stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}

_handed_out: set[int] = set()


class Process(BaseModel):
    """A process by pid and start time: a pid alone may belong to a stranger after a reboot."""

    model_config = ConfigDict(frozen=True)

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Raises psutil.NoSuchProcess."""
        return cls(pid=pid, born=_born(pid))

    def alive(self) -> bool:
        child = _children.get(self.pid)
        if child is not None:
            child.poll()
        try:
            same = _born(self.pid) == self.born
            return same and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self, ask: signal.Signals = signal.SIGTERM, patience: float = 15.0) -> None:
        """Ask, wait, then kill. Returns when the process is gone."""
        self._signal(ask)
        if not self._gone_within(patience):
            self.kill()
        self._reap()

    def kill(self) -> None:
        """As a crash would: no goodbye."""
        self._signal(signal.SIGKILL)
        if not self._gone_within(10.0):
            raise DependencyDown(f"process {self.pid} does not die")
        self._reap()

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _reap(self) -> None:
        child = _children.pop(self.pid, None)
        if child is not None:
            child.wait()


def spawn(
    argv: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: int | None = None,
    group: int | None = None,
) -> Process:
    """Start `argv` in its own session, so that Ctrl-C in a terminal does not reach it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
    _children[child.pid] = child
    return Process.of(child.pid)


def _born(pid: int) -> str:
    """Boot and clock ticks since then: unlike a time of day it survives a clock that is set."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(psutil.Process(pid).create_time())  # gone, or not Linux
    return f"{boot} {ticks}"


def await_answer(process: Process, answers: Callable[[], bool], log: Path, timeout: float) -> None:
    """Until the server answers. Raises DependencyDown, with the log's last lines, if it dies."""
    deadline = time.monotonic() + timeout
    while not answers():
        if not process.alive():
            raise DependencyDown(f"{log.stem} ended at start: {tail(log)}")
        if time.monotonic() > deadline:
            process.stop()
            raise DependencyDown(f"{log.stem} is not up after {timeout:.0f} s: {tail(log)}")
        time.sleep(0.03)


def listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def free_port(preferred: int | None = None, host: str = LOOPBACK) -> int:
    """`preferred` when nobody has it, else a free one that was not handed out before.

    Below the range that the kernel gives to outgoing connections, or one of those could take the
    port while its server is still starting.
    """
    for port in [preferred, *random.sample(PORTS, 100)]:
        if port is None or (port in _handed_out and port != preferred):
            continue
        with socket.socket() as probe:
            # As the servers do: a port in TIME_WAIT from the last run is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise DependencyDown(f"no free port on {host}")


def tail(log: Path) -> str:
    return last_words(log.read_text(errors="replace")) if log.exists() else "no log was written"


def last_words(output: str) -> str:
    """The last lines, in one: an error is one line."""
    return " | ".join(output.strip().splitlines()[-6:])
