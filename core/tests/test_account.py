"""Bills and sums."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from purveyor.plugin import CostItem, CostReport, CostRequest, Invoice, Money, calendar_month, in_utc


def day(number):
    return None if number is None else datetime(2026, 1, number, tzinfo=UTC)


def report(*items, **about):
    lines = tuple(CostItem(description="", amount=Money(amount, unit)) for amount, unit in items)
    return CostReport(provider="a", start=day(1), end=day(2), items=lines, **about)


def test_sums_keep_currencies_apart():
    assert report(("1", "USD"), ("5", "EUR"), ("2", "USD")).total == (Money("3"), Money("5", "EUR"))
    assert report().total == ()
    assert report(("1", "USD"), total=(Money("9"),)).total == (Money("9"),)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1, 5, False),
        (1, 10, False),
        (1, 11, True),
        (12, 13, True),
        (19, 25, True),
        (20, 25, False),
        (None, 10, False),
        (20, None, False),
        (None, None, True),
    ],
)
def test_what_touches_a_period(start, end, expected):
    assert CostRequest(start=day(10), end=day(20)).touches(day(start), day(end)) is expected


def test_a_bill_without_lines_is_one_line():
    bill = Invoice(provider="a", id="7", amount=Money("3"), period_start=day(1), period_end=day(2))
    assert bill.as_item() == CostItem(description="Invoice 7", amount=Money("3"), start=day(1), end=day(2))
    running = Invoice(provider="a", id="7", amount=Money("3"), preview=True)
    assert running.as_item().description == "Not invoiced yet"


def test_a_month_ends_where_the_next_begins():
    assert calendar_month(2026, 1) == (day(1), datetime(2026, 2, 1, tzinfo=UTC))
    assert calendar_month(2026, 12)[1] == datetime(2027, 1, 1, tzinfo=UTC)


def test_moments_are_utc():
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert in_utc(None) is None
    assert in_utc(moment) is moment
    assert in_utc(datetime(2026, 1, 1, 12)) == moment  # noqa: DTZ001 - that is the point
    zone = timezone(timedelta(hours=5))
    assert in_utc(datetime(2026, 1, 1, 17, tzinfo=zone)).tzinfo is UTC
    assert in_utc(datetime(1, 1, 1, tzinfo=zone)) is None
