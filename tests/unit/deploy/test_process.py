import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from deploy.stack.process import Process, await_answer, free_port, listens, spawn
from schemas.errors import DependencyDown

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)",
]


def test_stop_ends_a_process_and_may_be_repeated(tmp_path: Path) -> None:
    process = spawn(SLEEPER, tmp_path / "log")
    assert process.alive()
    process.stop()
    assert not process.alive()
    process.stop()


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn(DEAF, log)
    await_answer(process, lambda: "deaf" in log.read_text(), log, 10)
    process.stop(signal.SIGTERM, patience=0.2)
    assert not psutil.pid_exists(process.pid)


def test_another_process_with_the_same_pid_is_not_ours() -> None:
    assert Process.of(os.getpid()).alive()
    stranger = Process(pid=os.getpid(), born="another boot 4711")
    assert not stranger.alive()
    stranger.kill()  # would end this test run


def test_a_server_that_ends_at_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    process = spawn([sys.executable, "-c", "print('no space left')"], log)
    with pytest.raises(DependencyDown, match="broker ended at start: no space left"):
        await_answer(process, lambda: False, log, 10)


def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    process = spawn(SLEEPER, tmp_path / "log")
    with pytest.raises(DependencyDown, match="not up after"):
        await_answer(process, lambda: False, tmp_path / "log", 0.1)
    assert not process.alive()


def test_free_port_keeps_the_preferred_one_unless_it_is_taken() -> None:
    port = free_port()
    assert free_port(port) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert listens(port)
        assert free_port(port) != port


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(50)}) == 50
