"""One real Apache Kafka broker in KRaft mode, as a plain java process."""

import base64
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from deploy.stack.process import (
    LOOPBACK,
    Process,
    await_answer,
    free_port,
    last_words,
    listens,
    spawn,
)
from schemas.errors import DependencyDown

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
JAVA_AT_LEAST = 17
START_SECONDS = 90.0

# One node: everything that Kafka would replicate has one copy. A dead broker is fenced after
# its session, and only then may its successor register: 9 s by default, so it is shortened.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
message.max.bytes=5242880
replica.fetch.max.bytes=5242880
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


def kafka_available(libs: Path | None = None) -> str | None:
    """Why a real broker cannot run here, or None when it can. Jars in `libs` spare Maven."""
    java = shutil.which("java")
    if java is None:
        return "no java on PATH"
    asked = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', asked.stderr)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        return f"java {version[1] if version else '?'} is older than {JAVA_AT_LEAST}"
    if (libs is None or not _complete(libs)) and shutil.which("mvn") is None:
        return "no mvn on PATH to fetch Kafka's jars"
    return None


def fetch_jars(libs: Path, say: Callable[[str], None] | None = None) -> None:
    """Download the broker's jars once; later calls see the mark and return at once."""
    if _complete(libs):
        return
    if say is not None:
        say("Fetching Kafka's jars (44 MB, once)")
    libs.parent.mkdir(parents=True, exist_ok=True)
    # Into a folder of our own and then renamed: two commands may fetch at the same time.
    fresh = Path(tempfile.mkdtemp(dir=libs.resolve().parent, prefix="libs-"))
    # -C: a jar whose checksum does not match is refused.
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
    run = subprocess.run(
        ["mvn", "-q", "-B", "-C", "-f", str(POM), *goal],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        shutil.rmtree(fresh)
        said = run.stdout.strip().partition("\n")[0]
        raise DependencyDown(f"Maven could not fetch Kafka's jars: {said}")
    _mark(fresh).write_text(POM.read_text())
    if _complete(libs):
        shutil.rmtree(fresh)  # somebody else was first, and may run a broker from there
        return
    shutil.rmtree(libs, ignore_errors=True)
    try:
        fresh.rename(libs)
    except OSError:
        shutil.rmtree(fresh)  # somebody else was first
        if not _complete(libs):
            raise


def _mark(libs: Path) -> Path:
    return libs / "fetched-for.xml"


def _complete(libs: Path) -> bool:
    """Fetched to the end, and for the versions that the pom names today."""
    mark = _mark(libs)
    return mark.exists() and mark.read_text() == POM.read_text()


def _cluster_id() -> str:
    """A UUID as Kafka writes them; one that began with a dash would be read as an option."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return text.replace("-", "A", 1) if text.startswith("-") else text


class KafkaBroker:
    """A broker with its own ports and data, which survive `stop`, `kill` and `start`."""

    def __init__(
        self,
        home: Path,
        libs: Path,
        *,
        port: int | None = None,
        controller_port: int | None = None,
        process: Process | None = None,
    ) -> None:
        """`process`: one that an earlier command started on these ports, to be taken over."""
        self.home = home.resolve()
        self.libs = libs.resolve()
        self.port = port if process is not None and port else free_port(port)
        self.controller_port = (
            controller_port
            if process is not None and controller_port
            else free_port(controller_port)
        )
        self.process = process

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Returns when clients can connect. Raises DependencyDown with the log's last lines."""
        if self.process is not None and self.process.alive():
            return
        fetch_jars(self.libs)
        self.home.mkdir(parents=True, exist_ok=True)
        properties = self.home / "server.properties"
        logs = self.home / "data"
        properties.write_text(
            PROPERTIES.format(
                host=LOOPBACK, port=self.port, controller_port=self.controller_port, logs=logs
            )
        )
        if not (logs / "meta.properties").exists():
            self._format(properties)
        log = self.home / "kafka.log"
        self.process = spawn(self._java("kafka.Kafka", str(properties), heap="512m"), log)
        await_answer(self.process, lambda: listens(self.port), log, START_SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None

    def kill(self) -> None:
        """SIGKILL, for tests of a crash."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def _format(self, properties: Path) -> None:
        cluster = _cluster_id()
        tool = self._java(
            "kafka.tools.StorageTool",
            *("format", "--ignore-formatted", "-t", cluster, "-c", str(properties)),
            heap="128m",
        )
        run = subprocess.run(
            tool, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if run.returncode != 0:
            raise DependencyDown(f"Kafka could not format its log: {last_words(run.stdout)}")

    def _java(self, main: str, *arguments: str, heap: str) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise DependencyDown("no java on PATH")
        return [
            java,
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",  # starts a second sooner than G1, and 512 MB need no more
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Djava.awt.headless=true",
            "-cp",
            str(self.libs / "*"),
            main,
            *arguments,
        ]
