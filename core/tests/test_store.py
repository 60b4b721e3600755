"""What is remembered: by several processes, in memory, or not at all and said so."""

import asyncio
import gc
import sqlite3
import threading

import pytest

from purveyor import StateUnavailableError
from purveyor.state.store import Row, Store, _connect


@pytest.fixture
async def store(tmp_path):
    made = Store(tmp_path / "deep" / "state")
    yield made
    await made.aclose()


async def test_what_is_put_is_there_until_it_is_deleted(store):
    assert await store.get("a", "k") is None
    await store.put("a", "k", b"1", 5.0)
    await store.put("a", "k", b"2", 6.0)
    await store.put("b", "k", b"other", 7.0)
    assert await store.get("a", "k") == Row(b"2", 6.0)
    assert await store.items("a") == {"k": Row(b"2", 6.0)}
    await store.delete("a", ("k", "never"))
    assert await store.get("a", "k") is None
    assert await store.get("b", "k") == Row(b"other", 7.0)


async def test_it_is_still_there_for_the_next_process(store, tmp_path):
    await store.put("a", "k", b"1", 5.0)
    await store.aclose()
    other = Store(tmp_path / "deep" / "state")
    assert await other.get("a", "k") == Row(b"1", 5.0)
    await other.aclose()


async def test_two_change_the_same_and_no_change_is_lost(store, tmp_path):
    other = Store(tmp_path / "deep" / "state")

    def one_more(before):
        return str(int(before or b"0") + 1).encode()

    await asyncio.gather(*(one.update("a", "n", one_more, 0.0) for one in (store, other) * 50))
    assert (await other.get("a", "n")).value == b"100"
    await other.aclose()


async def test_many_that_open_a_new_folder_at_the_same_moment_all_get_in(tmp_path):
    """Switching a new file to WAL is refused at once while somebody else does it."""
    for number in range(60):
        line = threading.Barrier(4)  # all of their threads open it together

        def opened(folder=tmp_path / str(number), line=line):
            line.wait()
            return _connect(folder)

        stores = [Store(tmp_path / str(number), connect=opened) for _ in range(4)]
        await asyncio.gather(*(one.put("a", str(key), b"x", 0.0) for key, one in enumerate(stores)))
        assert len(await stores[0].items("a")) == 4
        await asyncio.gather(*(one.aclose() for one in stores))


async def test_reading_waits_for_nobody_who_writes(store, tmp_path):
    await store.put("a", "k", b"1", 0.0)
    writer = sqlite3.connect(tmp_path / "deep" / "state" / "state.sqlite3", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE note SET value = x'32'")
    assert (await store.get("a", "k")).value == b"1"
    assert (await store.items("a"))["k"].value == b"1"
    writer.execute("COMMIT")
    writer.close()
    assert (await store.get("a", "k")).value == b"2"


async def test_a_change_that_fails_changes_nothing(store):
    await store.put("a", "k", b"1", 0.0)

    def change(before):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.update("a", "k", change, 0.0)
    assert (await store.get("a", "k")).value == b"1"
    await store.put("a", "k", b"2", 0.0)


async def test_the_disk_never_holds_up_the_loop(store):
    def where(before):
        return threading.current_thread().name.encode()

    name = (await store.update("a", "k", where, 0.0)).decode()
    assert name.startswith("purveyor-state")


async def test_in_memory_nothing_is_written_and_each_has_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = Store(None), Store(None)
    await one.put("a", "k", b"1", 0.0)
    assert await other.get("a", "k") is None
    await one.aclose()
    await other.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_the_folder_is_made_when_it_is_needed_and_is_nobody_elses(tmp_path):
    store = Store(tmp_path / "state")
    assert not (tmp_path / "state").exists()
    await store.put("a", "k", b"1", 0.0)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    await store.aclose()


async def test_a_folder_that_cannot_be_is_said_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file")
    for work in (
        store.get("a", "k"),
        store.put("a", "k", b"", 0.0),
        store.items("a"),
        store.delete("a", ("k",)),
        store.update("a", "k", bytes, 0.0),
    ):
        with pytest.raises(StateUnavailableError, match="state: memory") as caught:
            await work
        assert caught.value.details == {"state_dir": str(tmp_path / "file")}
    (tmp_path / "file").unlink()
    await store.put("a", "k", b"1", 0.0)  # and once the trouble is over, it works
    await store.aclose()


async def test_a_newer_schema_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "state.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    store = Store(tmp_path)
    with pytest.raises(StateUnavailableError, match="newer version of purveyor"):
        await store.get("a", "k")
    await store.aclose()


async def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    (tmp_path / "state.sqlite3").write_bytes(b"precious " * 1000)
    store = Store(tmp_path)
    with pytest.raises(StateUnavailableError):
        await store.put("a", "k", b"1", 0.0)
    assert (tmp_path / "state.sqlite3").read_bytes().startswith(b"precious")
    await store.aclose()


async def test_closing_twice_is_closing_once_and_afterwards_it_says_so(tmp_path):
    store = Store(tmp_path)
    await store.put("a", "k", b"1", 0.0)
    await store.aclose()
    await store.aclose()
    with pytest.raises(StateUnavailableError, match="closed"):
        await store.get("a", "k")


async def test_closing_while_the_first_call_is_under_way_leaves_no_file_open(tmp_path):
    store = Store(tmp_path)
    first = asyncio.ensure_future(store.put("a", "k", b"1", 0.0))
    await asyncio.sleep(0)
    await store.aclose()
    await first
    assert store._connection is not None
    with pytest.raises(sqlite3.ProgrammingError):
        store._connection.execute("SELECT 1")


async def test_giving_up_waiting_does_not_break_what_is_under_way(store):
    task = asyncio.ensure_future(store.put("a", "k", b"1", 0.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.put("a", "other", b"2", 0.0)
    assert (await store.get("a", "other")).value == b"2"


async def test_a_transaction_that_nobody_waits_for_any_more_is_done_all_the_same(store):
    await store.put("a", "k", b"1", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def change(before):
        begun.set()
        go_on.wait()
        return b"2"

    changing = asyncio.create_task(store.update("a", "k", change, 0.0))
    await asyncio.to_thread(begun.wait)
    changing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await changing
    assert (await store.get("a", "k")).value == b"2"


def test_a_loop_that_ends_before_its_transaction_leaves_the_store_in_order(tmp_path):
    store, begun, go_on = Store(tmp_path), threading.Event(), threading.Event()

    def change(before):
        begun.set()
        go_on.wait()
        return b"1"

    async def leave():
        changing = asyncio.create_task(store.update("a", "k", change, 0.0))
        await asyncio.to_thread(begun.wait)
        changing.cancel()

    asyncio.run(leave())
    go_on.set()

    async def come_back():
        found = await store.get("a", "k")
        await store.aclose()
        return found

    assert asyncio.run(come_back()) == Row(b"1", 0.0)


async def test_a_store_that_is_dropped_without_being_closed_leaves_no_thread(tmp_path):
    before = set(threading.enumerate())
    store = Store(tmp_path)
    await store.put("a", "k", b"1", 0.0)
    (thread,) = set(threading.enumerate()) - before
    del store
    gc.collect()
    await asyncio.to_thread(thread.join)


async def test_a_thread_that_cannot_be_begun_is_begun_the_next_time(tmp_path, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    store = Store(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            await store.put("a", "k", b"1", 0.0)
    await store.put("a", "k", b"2", 0.0)
    await store.aclose()
