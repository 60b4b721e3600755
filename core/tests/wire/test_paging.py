"""The laws of paging: in order, each page once, never for ever, nothing left running."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.model.errors import ProtocolMismatchError, ProviderUnavailableError
from purveyor.wire import Fetched, by_cursor, by_page


class Pages:
    """A list of pages that remembers what was fetched."""

    def __init__(self, count: int, *, total: bool = True, holds: int = 0) -> None:
        self.count, self.total = count, total
        self.started: list[int] = []
        self.running, self.most, self.cancelled = 0, 0, 0
        self._holds = holds

    async def fetch(self, page: int) -> Fetched[int]:
        self.started.append(page)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            # Later pages come sooner: order must not depend on luck.
            for _ in range(max(0, self._holds - page)):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        following = page + 1 if page < self.count else None
        return Fetched(rows=[page], total_pages=self.count if self.total else None, next=following)


async def walk(pages, rows=None):
    """All rows; those before a failure are in ``rows``."""
    rows = [] if rows is None else rows
    async for page in pages:
        rows += page.rows
    return rows


@given(count=st.integers(0, 30), overlap=st.integers(1, 8), total=st.booleans(), holds=st.integers(0, 20))
async def test_each_page_comes_once_and_in_order(count, overlap, total, holds):
    pages = Pages(count, total=total, holds=holds)
    expected = list(range(1, max(count, 1) + 1))
    assert await walk(by_page(pages.fetch, overlap=overlap)) == expected
    assert pages.started == expected
    assert pages.most <= (overlap if total else 1)


@given(count=st.integers(1, 30), overlap=st.integers(1, 8), stop=st.integers(1, 30))
async def test_whoever_stops_early_leaves_nothing_running(count, overlap, stop):
    pages = Pages(count, holds=100)
    async with aclosing(by_page(pages.fetch, overlap=overlap)) as walked:
        async for page in walked:
            if page.rows[0] >= stop:
                break
    assert pages.running == 0
    assert len(pages.started) <= min(stop, count) + overlap - 1


async def test_one_at_a_time_fetches_a_page_only_when_it_is_asked_for():
    pages = Pages(5)
    walked = by_page(pages.fetch)
    for number in range(1, 4):
        await anext(walked)
        await asyncio.sleep(0)
        assert pages.started == list(range(1, number + 1))
    await walked.aclose()


async def test_a_cancelled_walk_cancels_what_runs_ahead():
    pages = Pages(10, holds=1)
    blocked = asyncio.Event()

    async def fetch(page):
        fetched = await pages.fetch(page)
        if page > 1:
            pages.running += 1
            blocked.set()
            try:
                await asyncio.Event().wait()
            finally:
                pages.running -= 1
        return fetched

    task = asyncio.create_task(walk(by_page(fetch, overlap=4)))
    await blocked.wait()
    await asyncio.sleep(0)
    assert pages.running == 4
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pages.running == 0


async def test_a_page_that_fails_ends_the_walk_where_it_stands():
    pages = Pages(10)

    async def fetch(page):
        if page in {3, 5}:
            raise ProviderUnavailableError(f"page {page}")
        return await pages.fetch(page)

    seen = []
    with pytest.raises(ProviderUnavailableError, match="page 3"):
        await walk(by_page(fetch, overlap=4), seen)
    assert seen == [1, 2]


@pytest.mark.parametrize("overlap", [1, 3])
async def test_a_list_that_grows_or_shrinks_is_walked_to_its_newest_end(overlap):
    totals = {1: 3, 2: 3, 3: 5, 4: 4}

    async def fetch(page):
        return Fetched(rows=[page], total_pages=totals.get(page, 4))

    assert await walk(by_page(fetch, overlap=overlap)) == [1, 2, 3, 4]


@pytest.mark.parametrize("following", [2, "same"])
async def test_pages_that_lead_back_are_detected(following):
    async def fetch(page):
        return Fetched(rows=[page], next=following)

    seen = []
    with pytest.raises(ProtocolMismatchError):
        await walk(by_page(fetch), seen)
    assert seen == [1]


@pytest.mark.parametrize("total", [True, False])
async def test_a_list_without_end_is_given_up(total):
    pages = Pages(10_000_000, total=total)
    with pytest.raises(ProtocolMismatchError, match="20 pages"):
        await walk(by_page(pages.fetch, overlap=4, max_pages=20))
    assert len(pages.started) <= 20


async def test_a_list_of_exactly_as_many_pages_as_allowed_is_walked():
    assert len(await walk(by_page(Pages(20).fetch, max_pages=20))) == 20


@given(st.lists(st.text(min_size=1), unique=True, max_size=20))
async def test_cursors_are_followed_in_order(cursors):
    following = dict(zip([None, *cursors], [*cursors, None], strict=True))

    async def fetch(cursor):
        return Fetched(rows=[cursor], next=following[cursor])

    assert await walk(by_cursor(fetch)) == [None, *cursors]


@given(length=st.integers(1, 10), back=st.integers(0, 9))
async def test_a_circle_of_cursors_is_detected_wherever_it_closes(length, back):
    async def fetch(cursor):
        place = 0 if cursor is None else int(cursor)
        return Fetched(rows=[place], next=place + 1 if place < length else min(back, length - 1) + 1)

    seen = []
    with pytest.raises(ProtocolMismatchError):
        await walk(by_cursor(fetch), seen)
    assert len(seen) == len(set(seen))


async def test_cursors_without_end_are_given_up():
    async def fetch(cursor):
        return Fetched(rows=[cursor], next=int(cursor or 0) + 1)

    with pytest.raises(ProtocolMismatchError, match="7 pages"):
        await walk(by_cursor(fetch, max_pages=7))


async def test_a_walk_that_runs_ahead_gives_the_same_pages_and_is_one_page_ahead():
    fetched = []

    async def fetch(cursor):
        fetched.append(cursor)
        await asyncio.sleep(0)
        number = int(cursor or 0)
        return Fetched([number], next=str(number + 1) if number < 4 else None)

    seen = []
    async with aclosing(by_cursor(fetch, ahead=True)) as pages:
        async for page in pages:
            seen += page.rows
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(fetched) == min(len(seen) + 2, 5)  # one is ready, and one is on its way
    assert seen == [0, 1, 2, 3, 4]


async def test_a_walk_that_runs_ahead_fails_after_the_pages_that_came_before():
    async def fetch(cursor):
        if cursor == "2":
            raise ProtocolMismatchError("broken")
        return Fetched([cursor], next="2" if cursor else "1")

    seen = []
    with pytest.raises(ProtocolMismatchError, match="broken"):
        await walk(by_cursor(fetch, ahead=True), seen)
    assert len(seen) == 2


async def test_a_walk_that_runs_ahead_and_is_left_leaves_no_fetch_behind():
    async def fetch(cursor):
        if cursor:
            await asyncio.Event().wait()
        return Fetched([cursor], next="1")

    async with aclosing(by_cursor(fetch, ahead=True)) as pages:
        async for _ in pages:
            break
    assert asyncio.all_tasks() == {asyncio.current_task()}
