from pathlib import Path
from threading import Timer

import psutil
import psycopg

from deploy.stack.postgres import PostgresServer


def test_a_start_after_a_kill_waits_for_the_children_that_are_left(server_home: Path) -> None:
    """They hold the data's shared memory until they notice that their parent is gone."""
    server = PostgresServer(server_home / "postgres")
    server.start()
    assert server.process
    child = psutil.Process(server.process.pid).children()[0]
    child.suspend()
    server.process.kill()
    Timer(0.5, child.resume).start()
    try:
        server.start()
        psycopg.connect(server.dsn()).close()
    finally:
        server.stop()
