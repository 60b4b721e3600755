"""Deployments on the command line: lists, actions, logs into pipes, and a shell on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from purveyor_virtengine.sandbox import VirtEngineSandbox


@pytest.fixture
def chain(serving: Callable[[Any], Any], home: Path) -> VirtEngineSandbox:
    """A chain with three providers; the wallet has a deployment at the first and one at the first two."""
    cloud = serving(VirtEngineSandbox(seed=1))
    providers = [{"name": "ve", "type": "virtengine", "config": cloud.settings()}]
    document = {"state": "memory", "providers": providers}
    (home / "purveyor.yaml").write_text(json.dumps(document), encoding="utf-8")
    return cloud


@pytest.fixture
def alone(chain: VirtEngineSandbox) -> str:
    """The deployment that is at one provider only."""
    leases = [one for one in chain.chain.leases if one.state == "active"]
    dseqs = [one.dseq for one in leases]
    return str(next(one for one in dseqs if dseqs.count(one) == 1))


def test_deployments_are_listed_by_provider_with_estimates(cli: Any, chain: Any, alone: str) -> None:
    result = cli("deployments", "list", "--format", "table")
    assert (result.code, result.err) == (0, "")
    first, second = (f"ve/{one.address}" for one in chain.daemons[:2])
    lines = result.out.splitlines()
    assert sum(line.startswith(first) for line in lines) == 2
    assert sum(line.startswith(second) for line in lines) == 1
    assert "3 deployments · about " in lines[-1]
    assert lines[-1].endswith("uve an hour")


def test_deployments_are_json_for_programs(cli: Any, chain: Any) -> None:
    document = cli("deployments", "list", "--closed").json
    assert (document["complete"], len(document["items"])) == (True, 4)
    for one in document["items"]:
        assert one["provider"].startswith("ve/ve1")
        assert one["resources"]["memory"] > 0
        assert {cost["per_hour"]["currency"] for cost in one["costs"]} <= {"uve"}
        assert "raw" not in one


def test_a_provider_that_is_away_is_named_and_its_deployments_are_there(
    cli: Any, chain: Any, configure: Any
) -> None:
    chain.daemons[1].shell = "echo"
    chain.daemons[1].dialect = "openapi"
    chain.announce(chain.daemons[1], host_uri="https://127.0.0.1:1")
    result = cli("deployments", "list", "--deadline", "5")
    assert (result.code, len(result.json["items"])) == (3, 3)
    assert list(result.json["failures"]) == [f"ve/{chain.daemons[1].address}"]


@pytest.mark.parametrize("whole", [True, False])
def test_one_is_shown_by_its_id(cli: Any, chain: Any, alone: str, *, whole: bool) -> None:
    written = f"ve/{chain.daemons[0].address}/{alone}" if whole else alone
    result = cli("deployments", "show", written, "--format", "table")
    assert result.code == 0
    assert f"ve/{chain.daemons[0].address}/{alone}" in result.out
    assert "estimated from" in result.out


def test_an_action_is_carried_out_and_seen_in_the_events(cli: Any, chain: Any, alone: str) -> None:
    done = cli("deployments", "action", alone, "restart", "--wait").json
    assert (done["state"], done["action"], done["deployment"]) == ("succeeded", "restart", alone)
    events = cli("deployments", "events", alone, "--limit", "5").json
    assert "started" in {one["type"] for one in events["items"]}
    assert "EVENT" in cli("deployments", "events", alone, "--format", "table").out


def test_an_action_takes_only_what_is_its_own(cli: Any, chain: Any, alone: str) -> None:
    result = cli("deployments", "action", alone, "restart", "--memory", "4GiB")
    assert (result.code, result.error["message"]) == (
        2,
        "restart takes no --memory (see 'purveyor deployments action --help')",
    )


def test_an_action_that_fails_says_why(cli: Any, chain: Any, alone: str) -> None:
    chain.daemons[0].doomed.append("restart")
    result = cli("deployments", "action", alone, "restart", "--wait")
    assert (result.code, result.error["code"]) == (1, "API_ERROR")


def test_logs_are_text_into_a_pipe_and_objects_when_asked_for(cli: Any, chain: Any, alone: str) -> None:
    chain.daemons[0].say(alone, "a \x1b[31mred\x1b[0m line")
    text = cli("logs", alone, "--tail", "1")
    assert (text.code, text.err) == (0, "")
    assert text.out.endswith(" info a \ufffd[31mred\ufffd[0m line\n")
    (line,) = cli("logs", alone, "--tail", "1", "--format", "json").out.splitlines()
    assert json.loads(line)["message"] == "a \x1b[31mred\x1b[0m line"


def test_logs_of_nobody_are_an_error(cli: Any, chain: Any) -> None:
    result = cli("logs", "1")
    assert (result.code, result.out) == (1, "")
    assert "no provider has a deployment '1'" in result.err


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "purveyor_cli", *arguments]


def test_logs_end_quietly_when_nobody_reads_any_more(chain: Any, alone: str) -> None:
    for number in range(2000):
        chain.daemons[0].say(alone, f"line {number} " + "x" * 100)
    with subprocess.Popen(command("logs", alone), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_a_followed_log_ends_with_ctrl_c(chain: Any, alone: str) -> None:
    with subprocess.Popen(
        command("logs", alone, "--follow", "--tail", "1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline()
        chain.daemons[0].say(alone, "said later")
        assert process.stdout.readline().endswith(b"said later\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read().strip() == b"error: interrupted"


@pytest.mark.parametrize(
    ("typed", "out", "err", "code", "plain_file"),
    [
        (b"hello\nexit 7\n", b"hello\r\n", b"", 7, False),
        (b"err oh\nexit\n", b"", b"oh\r\n", 0, True),
        (b"hello\n", b"hello\r\n", b"", 0, False),
    ],
    ids=["code", "stderr, from a file", "end of input"],
)
def test_a_shell_takes_what_is_piped_in_and_passes_its_code_on(
    chain: Any,
    alone: str,
    tmp_path: Path,
    typed: bytes,
    out: bytes,
    err: bytes,
    code: int,
    *,
    plain_file: bool,
) -> None:
    (tmp_path / "typed").write_bytes(typed)
    with (tmp_path / "typed").open("rb") as file:
        given: dict[str, Any] = {"stdin": file} if plain_file else {"input": typed}
        done = subprocess.run(command("shell", alone), capture_output=True, timeout=30, check=False, **given)
    assert done.stdout == b"Connected to VirtEngine shell.\r\n" + out
    assert (done.stderr, done.returncode) == (err, code)


def test_a_shell_that_never_ends_is_given_up_at_the_deadline(chain: Any, alone: str) -> None:
    chain.daemons[0].shell = "echo"
    given = command("--deadline", "3", "shell", alone)
    done = subprocess.run(given, capture_output=True, timeout=30, check=False, input=b"hello\n")
    assert (done.returncode, done.stderr.strip()) == (1, b"error: the shell did not end within the deadline")
    assert b"hello" in done.stdout


@attrs.define
class Terminal:
    """Somebody who sits at a terminal at which the command runs."""

    process: subprocess.Popen[bytes]
    fd: int
    seen: bytes = b""

    def expect(self, text: bytes) -> bytes:
        """What comes before that."""
        while text not in self.seen:
            assert select.select([self.fd], [], [], 20)[0], f"{text!r} is not in {self.seen!r}"
            self.seen += os.read(self.fd, 65536)
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)


@pytest.fixture
def terminal(chain: Any) -> Iterator[Callable[..., Terminal]]:
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> Terminal:
            ours, theirs = pty.openpty()
            fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
            process = subprocess.Popen(
                command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
            stack.callback(os.close, ours)
            stack.callback(os.close, theirs)  # kept open, so that its settings can be read after the end
            stack.callback(process.wait, 30)
            stack.callback(process.kill)
            return Terminal(process, ours)

        yield start


def test_on_a_terminal_keys_go_there_and_its_size_follows(terminal: Any, alone: str) -> None:
    at = terminal("shell", alone)
    at.expect(b"Connected to VirtEngine shell.")
    at.type(b"size\r")
    at.expect(b"99x33")
    at.resize(120, 40)
    os.kill(at.process.pid, signal.SIGWINCH)
    at.type(b"size\r")
    while at.expect(b"\r\n") != b"120x40":  # the news takes its time
        at.type(b"size\r")
    at.type(b"\x03")
    at.expect(b"^C")
    at.type(b"exit 5\r")
    assert at.process.wait(30) == 5
    assert at.echoes


def test_ctrl_bracket_leaves_a_shell_that_does_not_end(chain: Any, terminal: Any, alone: str) -> None:
    chain.daemons[0].shell = "echo"
    at = terminal("shell", alone)
    at.expect(b"Connected to VirtEngine shell.")
    assert not at.echoes
    at.type(b"still here")
    at.expect(b"still here")
    at.type(b"\x1d")
    assert at.process.wait(30) == 0
    assert at.echoes


def test_a_shell_that_cannot_be_opened_leaves_the_terminal_as_it_was(
    chain: Any, terminal: Any, alone: str
) -> None:
    chain.daemons[0].ownership = "unavailable"
    at = terminal("shell", alone)
    at.expect(b"error: ")
    assert at.process.wait(30) == 1
    assert at.echoes


def test_who_is_found_is_listed_and_shown_when_asked_for(cli: Any, chain: Any) -> None:
    assert [one["name"] for one in cli("providers", "list").json["items"]] == ["ve"]
    found = cli("providers", "list", "--discover").json["items"]
    names = {one["name"] for one in found}
    assert names == {"ve", *(f"ve/{one.address}" for one in chain.daemons)}
    shown = cli("providers", "show", f"ve/{chain.daemons[0].address}", "--format", "table")
    assert shown.code == 0
    assert "attribute region" in shown.out
    assert cli("providers", "show", "ve/nobody").code == 2
    health = cli("providers", "health", f"ve/{chain.daemons[0].address}").json
    assert [one["health"] for one in health["items"]] == ["online"]
