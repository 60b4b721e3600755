"""Holders: who is alive is told by the operating system, in every process."""

import os

import pytest

from purveyor.state.holders import Holders


def in_a_fork(work):
    """Do something in a forked process; whether it succeeded there."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:  # noqa: BLE001 - nothing may go on in the child
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def holder(tmp_path):
    holder = Holders(tmp_path, "one")
    holder.enter()
    yield holder
    holder.leave()


class TestForks:
    """Servers make a client, fork, and use it in every process."""

    def test_each_is_a_holder_of_its_own(self, holder, tmp_path):
        parent, unused = holder.name, Holders(tmp_path, "one")

        def work(inherited):
            inherited.enter()
            return inherited.lives(parent) and inherited.name != parent

        assert in_a_fork(lambda: work(unused))
        assert in_a_fork(lambda: work(holder))

    def test_one_that_leaves_does_not_take_its_parent_along(self, holder, tmp_path):
        assert in_a_fork(lambda: holder.leave() is None)
        assert Holders(tmp_path, "other").lives(holder.name)
