"""The broker where no Java is: librdkafka's mock cluster in a process of its own."""

import signal
import sys
from pathlib import Path

from deploy.stack.process import Process, await_answer, spawn

START_SECONDS = 20.0
ROOT = Path(__file__).parents[2]

LIMITS = (
    "it keeps about 5 MB a partition and then drops the oldest records without a word, keeps "
    "nothing over a restart, and has no topic creation, no offsets_for_times and no transactions"
)


class EmbeddedBroker:
    """Serves real clients on a port that it picks itself, anew at each start."""

    def __init__(self, home: Path, *, process: Process | None = None) -> None:
        self.home = home.resolve()
        self.process = process

    @property
    def bootstrap(self) -> str:
        return self._address.read_text()

    def start(self) -> None:
        """Returns when clients can connect. Raises DependencyDown with the log's last lines."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._address.unlink(missing_ok=True)
        log = self.home / "embedded.log"
        # -m and a working directory, because as a script its folder would come first on the
        # import path, and our redis.py before the client library.
        argv = [sys.executable, "-m", "deploy.stack.embedded", str(self._address)]
        self.process = spawn(argv, log, cwd=ROOT)
        await_answer(self.process, self._address.exists, log, START_SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None

    @property
    def _address(self) -> Path:
        return self.home / "embedded.address"


def serve(address: Path) -> None:
    """Run the mock cluster until SIGTERM; its address goes into the file."""
    from confluent_kafka import Producer

    # The signals wait for sigwait instead of ending the process half-way through.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    cluster = Producer({"test.mock.num.brokers": 1})
    brokers = cluster.list_topics(timeout=START_SECONDS).brokers.values()
    fresh = address.with_suffix(".new")
    fresh.write_text(",".join(f"{broker.host}:{broker.port}" for broker in brokers))
    fresh.replace(address)
    signal.sigwait(ends)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
