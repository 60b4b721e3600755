"""Lines of a log: read as each daemon writes them, and told apart though they have no numbers."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purveyor.plugin import LogLine, ProtocolMismatchError
from purveyor.wire import Response
from purveyor_virtengine._logs import Known, line_of, lines_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def text(body):
    return Response(status=200, headers={"content-type": "text/plain; charset=utf-8"}, body=body.encode())


def in_json(body):
    return Response(status=200, headers={"content-type": "application/json"}, body=body.encode())


def test_a_line_is_time_level_and_message():
    assert line_of("2026-01-01T12:00:00Z info request served", "web") == LogLine(
        "request served", NOON, "info", "web"
    )


@pytest.mark.parametrize(
    "written",
    ["2026-01-01T12:00:00Z INFO request served", "2026-01-01T13:00:00+01:00 info request served\n"],
)
def test_the_same_line_is_the_same_however_it_travels(written):
    assert line_of(written) == LogLine("request served", NOON, "info")


@pytest.mark.parametrize(
    "written",
    ["no time at all", "", "2026-13-01T12:00:00Z info no such month", "2026-01-01 12:00 another format"],
)
def test_what_is_written_otherwise_is_all_message(written):
    assert line_of(written) == LogLine(written)


@given(st.text())
def test_any_text_is_a_line(written):
    assert line_of(written).message in written


def test_a_message_may_go_on_in_the_next_line():
    body = "2026-01-01T12:00:00Z error first\n  at second\n\n2026-01-01T12:00:00Z info third\n"
    assert [line.message for line in lines_of(text(body))] == ["first\n  at second", "third"]


def test_lines_without_times_stand_for_themselves():
    assert [line.message for line in lines_of(text("one\ntwo\n"))] == ["one", "two"]


def test_an_empty_log_has_no_lines():
    assert lines_of(text("")) == []


@pytest.mark.parametrize(
    ("body", "messages"), [('["a", "b", 7]', ["a", "b"]), ('"a\\nb\\n"', ["a", "b"]), ("[]", [])]
)
def test_lines_in_json_are_read_as_well(body, messages):
    assert [line.message for line in lines_of(in_json(body))] == messages


def test_json_of_another_shape_is_no_log():
    with pytest.raises(ProtocolMismatchError, match="holds no lines"):
        lines_of(in_json('{"lines": []}'))


# Which lines are new.


class Daemon:
    """A daemon's log, and what a client that follows it has been told."""

    def __init__(self, keeps=100, step=0):
        self.written, self.told = [], []
        self.known = Known()
        self.second, self._keeps, self._step = 0, keeps, step

    def write(self, message):
        self.second += self._step
        self.written.append(LogLine(message, NOON + timedelta(seconds=self.second), "info"))

    @property
    def kept(self):
        return self.written[-self._keeps :]

    def connect(self, messages, lost):
        """The tail, what is lost before the daemon listens, and the sum of it."""
        self.told += self.known.before(self.kept)
        tail = self.kept
        for message in lost:
            self.write(message)
        self.told += self.known.after(self.kept)
        self.receive(tail)
        for message in messages:
            self.write(message)
            self.receive([self.written[-1]])

    def receive(self, lines):
        self.told += [line for line in lines if self.known.is_new(line)]


WORDS = st.lists(st.sampled_from("abc"), max_size=3)
CONNECTIONS = st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=8)
"""Of each: what is written while nobody listens, what is lost, what is sent."""


def played(daemon, connections):
    for away, lost, live in connections:
        for message in away:
            daemon.write(message)
        daemon.connect(live, lost)
    daemon.told += daemon.known.before(daemon.kept)
    return daemon


@settings(max_examples=300)
@given(CONNECTIONS)
def test_no_line_comes_twice_and_none_that_was_kept_is_lost(connections):
    daemon = played(Daemon(keeps=6, step=1), connections)
    assert daemon.told == daemon.written


@settings(max_examples=300)
@given(CONNECTIONS)
def test_lines_that_look_the_same_are_counted(connections):
    daemon = played(Daemon(), connections)
    assert Counter(daemon.told) == Counter(daemon.written)


def test_what_a_daemon_forgot_to_send_is_told_late_and_once():
    daemon = Daemon()
    for second, message in enumerate("abcde"):
        daemon.second = second
        daemon.write(message)
    daemon.told += daemon.known.before(daemon.kept[:1])
    daemon.known.after(daemon.kept[:1])
    daemon.receive([daemon.written[0], daemon.written[1], daemon.written[4]])
    daemon.told += daemon.known.after(daemon.kept)
    assert "".join(line.message for line in daemon.told) == "abecd"


def test_a_daemon_that_has_begun_anew_repeats_nothing():
    daemon = Daemon()
    daemon.write("first life")
    daemon.told += daemon.known.before(daemon.kept)
    daemon.written, daemon.second = [], 5
    daemon.write("second life")
    assert [line.message for line in daemon.known.before(daemon.kept)] == ["second life"]


def test_what_is_remembered_is_bounded():
    known = Known()
    known.before([])
    for number in range(100_000):
        assert known.is_new(LogLine(str(number)))
    assert len(known._lines) < 10_000
