from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import Labels, Sample
from purveyor_prometheus._rates import Rates

ONE = ("c_total", Labels(cpu="0"))
TWO = ("c_total", Labels(cpu="1"))
OTHER = ("d_total", Labels(cpu="1"))


def reading(value, series=ONE, timestamp=None):
    return Sample(*series, value, timestamp)


def step(rates, samples, now):
    """Rates by series, without those that there are none of."""
    counters = defaultdict(list)
    for sample in samples:
        counters[sample.name].append(sample)
    stepped = rates.step(counters, now)
    assert stepped.keys() == counters.keys()
    pairs = [pair for name in counters for pair in zip(counters[name], stepped[name], strict=True)]
    return {sample.series: rate for sample, rate in pairs if rate is not None}


def test_one_reading_gives_no_rate():
    assert step(Rates(300), [reading(5)], 0) == {}


def test_two_readings_give_the_rise_per_second():
    rates = Rates(300)
    step(rates, [reading(5), reading(1, TWO)], 0)
    assert step(rates, [reading(25), reading(1, TWO)], 10) == {ONE: 2.0, TWO: 0.0}


def test_a_counter_that_fell_was_reset():
    rates = Rates(300)
    step(rates, [reading(1000)], 0)
    assert step(rates, [reading(30)], 10) == {ONE: 3.0}


def test_a_new_series_has_no_rate_and_one_that_is_gone_is_forgotten():
    rates = Rates(300)
    step(rates, [reading(5)], 0)
    assert step(rates, [reading(5, TWO)], 10) == {}
    assert step(rates, [reading(9), reading(6, TWO)], 20) == {TWO: 0.1}


def test_series_that_change_places_keep_what_was_known():
    rates = Rates(300)
    step(rates, [reading(5), reading(1, TWO)], 0)
    assert step(rates, [reading(2, TWO), reading(25)], 10) == {ONE: 2.0, TWO: 0.1}
    assert step(rates, [reading(35), reading(3, TWO)], 20) == {ONE: 1.0, TWO: 0.1}


def test_a_name_that_was_gone_starts_anew():
    rates = Rates(300)
    step(rates, [reading(5)], 0)
    step(rates, [reading(5, OTHER)], 10)
    assert step(rates, [reading(9), reading(6, OTHER)], 20) == {OTHER: 0.1}


def test_readings_that_are_too_close_keep_what_was_known():
    rates = Rates(300)
    step(rates, [reading(0)], 0)
    step(rates, [reading(10)], 10)
    assert step(rates, [reading(10.5)], 10.1) == {ONE: 1.0}
    assert step(rates, [reading(30)], 20) == {ONE: 2.0}


def test_a_reading_that_is_too_old_gives_no_rate():
    rates = Rates(300)
    step(rates, [reading(0)], 0)
    assert step(rates, [reading(10)], 301) == {}
    assert step(rates, [reading(20)], 311) == {ONE: 1.0}


def test_the_times_of_the_source_count():
    rates = Rates(300)
    step(rates, [reading(0, timestamp=100.0)], 0)
    assert step(rates, [reading(10, timestamp=110.0)], 1) == {ONE: 1.0}
    # The same reading told again, much later.
    assert step(rates, [reading(10, timestamp=110.0)], 60) == {ONE: 1.0}
    # A time in the past starts anew, and so does a source that stops telling times.
    assert step(rates, [reading(99, timestamp=50.0)], 61) == {}
    assert step(rates, [reading(99)], 62) == {}


def test_what_is_no_number_gives_no_rate():
    rates = Rates(300)
    step(rates, [reading(float("nan"))], 0)
    assert step(rates, [reading(10)], 10) == {}
    assert step(rates, [reading(float("inf"))], 20) == {}
    assert step(rates, [reading(20)], 30) == {}


@given(st.lists(st.tuples(st.integers(1, 299), st.integers(0, 2**53)), min_size=1, max_size=12))
def test_what_is_counted_is_never_lost_and_never_negative(steps):
    rates, now, before = Rates(300), 0, 0
    step(rates, [reading(0)], now)
    for elapsed, count in steps:
        now += elapsed
        risen = count - before if count >= before else count
        assert step(rates, [reading(count)], now) == {ONE: risen / elapsed}
        before = count
