"""The grammar of both text formats, limits, and input that no honest exporter sends."""

import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purveyor.plugin import Exemplar, Labels, MetricFamily, MetricType, ProtocolMismatchError, Sample
from purveyor_prometheus import ExpositionLimits, ExpositionReader, iter_exposition, parse_exposition
from purveyor_prometheus import _exposition as exposition
from purveyor_prometheus._exposition_grammar import Dialect
from purveyor_prometheus._exposition_lines import LineReader
from purveyor_prometheus._exposition_plain import PlainReader

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4"


def samples(text: str, content_type: str | None = TEXT) -> list[Sample]:
    return [sample for family in parse_exposition(text.encode(), content_type) for sample in family.samples]


def refused(data: str | bytes, content_type: str | None = TEXT, **limits: int) -> ProtocolMismatchError:
    body = data.encode() if isinstance(data, str) else data
    with pytest.raises(ProtocolMismatchError) as caught:
        parse_exposition(body, content_type, limits=ExpositionLimits(**limits))
    return caught.value


def many(count: int, text: str = 'load{cpu="%d",mode="idle"} %d') -> str:
    lines = "\n".join(text % (number, number) for number in range(count))
    return f"# HELP load How much.\n# TYPE load gauge\n{lines}\n"


# Both kinds of family, a lone sample, and a histogram whose metadata is the wrong way round: all plain.
PLAIN = (
    many(5)
    + "# HELP b y\n# TYPE b counter\n"
    + "".join(f'b{{x="{number}"}} {number}.5\n' for number in range(4))
    + 'c 1\n# TYPE h histogram\n# HELP h z\nh_bucket{le="+Inf"} 4\nh_sum 3\nh_count 4\n'
)


def test_a_family_has_its_type_help_and_samples() -> None:
    text = '# HELP a What \\\\ it \\n is "so".\n# TYPE a counter\na{x="1",y="\\"\\\\\\n\\t"} 5 1000\na -0\n'
    [family] = parse_exposition(text.encode(), TEXT)
    assert family == MetricFamily(
        "a",
        MetricType.COUNTER,
        'What \\ it \n is "so".',
        "",
        [Sample("a", Labels(x="1", y='"\\\n\\t'), 5.0, 1.0), Sample("a", Labels(), -0.0)],
    )
    assert math.copysign(1, family.samples[1].value) == -1


def test_counters_keep_their_names() -> None:
    assert samples("# TYPE DCGM_ENERGY counter\nDCGM_ENERGY 5\n")[0].name == "DCGM_ENERGY"


@pytest.mark.parametrize(
    ("written", "value"),
    [("+Inf", math.inf), ("-Inf", -math.inf), ("inf", math.inf), ("1e-3", 0.001), (".5", 0.5), ("+7.", 7.0)],
)
def test_values_are_read_as_go_writes_them(written: str, value: float) -> None:
    assert samples(f"a {written}\n")[0].value == value


def test_nan_is_nan_and_not_zero() -> None:
    assert math.isnan(samples("a NaN\n")[0].value)


@pytest.mark.parametrize(
    "written", ["1_0", "0x1p3", "0b1", "1,5", "\u0661", "--1", "1e", "e5", "n", "one", "1\x0b", "{}"]
)
@pytest.mark.parametrize("count", [0, 20])
def test_what_is_no_number_is_refused_with_its_line(written: str, count: int) -> None:
    error = refused(f"{many(count)}load {written}\n")
    assert error.details["line"] == max(count, 1) + 3
    assert "line" in str(error)


def test_suffixes_belong_to_their_family() -> None:
    text = (
        '# TYPE h histogram\nh_bucket{le="+Inf"} 3\nh_count 3\nh_sum 4\nh_created 1\n'
        '# TYPE s summary\ns{quantile="0.5"} 1\ns_count 2\ns_sum 3\n'
        "# TYPE c counter\nc_total 1\nc_created 2\n# TYPE i info\ni_info 1\nlone_sum 1\n"
    )
    families = parse_exposition(text.encode(), TEXT)
    assert [(family.name, len(family.samples)) for family in families] == [
        ("h", 4),
        ("s", 3),
        ("c", 2),
        ("i", 1),
        ("lone_sum", 1),
    ]


def test_what_only_has_a_help_of_its_own_belongs_to_the_family_all_the_same() -> None:
    text = (
        "# HELP rpc_seconds Time.\n# TYPE rpc_seconds summary\n"
        + "".join(f'rpc_seconds{{quantile="0.{number}"}} {number}\n' for number in range(9))
        + "# HELP rpc_seconds_sum Time in all.\nrpc_seconds_sum 17\n"
    )
    summary, told = parse_exposition(text.encode(), TEXT)
    assert (summary.name, summary.samples[-1].name) == ("rpc_seconds", "rpc_seconds_sum")
    assert (told.name, told.help, told.samples) == ("rpc_seconds_sum", "Time in all.", ())


def test_mixed_families_come_once_and_empty_ones_last() -> None:
    text = "# TYPE none gauge\n# TYPE a gauge\na 1\nb 1\na 2\n"
    families = parse_exposition(text.encode(), TEXT)
    assert [(family.name, len(family.samples)) for family in families] == [("a", 2), ("b", 1), ("none", 0)]


def test_repeated_series_are_all_there() -> None:
    assert [sample.value for sample in samples("a 1\na 2\na 2\n")] == [1.0, 2.0, 2.0]
    same = "# HELP load x\n# TYPE load gauge\n" + 'load{a="1"} 5\n' * 20
    assert len(samples(same)) == 20


def test_names_in_utf8_are_quoted_within_the_braces() -> None:
    [sample] = samples('# TYPE "my.metric" gauge\n{"my.metric","a.b"="c",d="\u00e9"} 1\n')
    assert (sample.name, sample.labels) == ("my.metric", {"a.b": "c", "d": "\u00e9"})
    [sample] = samples('{"a.b_total", le="1"} 2\n# EOF\n', OPENMETRICS)
    assert sample.series == ("a.b_total", Labels(le="1"))


def test_blanks_tabs_and_missing_commas_are_read_in_the_text_format_only() -> None:
    text = 'a\t { x = "1" y="2" , }  3  -4 \n'
    assert samples(text) == [Sample("a", Labels(x="1", y="2"), 3.0, -0.004)]
    refused(f"{text}# EOF\n", OPENMETRICS)


def test_windows_line_ends_are_tolerated() -> None:
    text = many(30).replace("\n", "\r\n")
    assert samples(text) == samples(many(30))
    assert samples("# TYPE a gauge\r\na 1\r\n") == samples("a 1\n")


def test_openmetrics_has_units_exemplars_and_seconds() -> None:
    text = (
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds x\n"
        'a_seconds_total{b=" # "} 1 1.5 # {id="x"} 0.5 2.25\na_seconds_created 3\n# EOF\n'
    )
    [family] = parse_exposition(text.encode(), OPENMETRICS)
    assert family.unit == "seconds"
    exemplar = Exemplar(Labels(id="x"), 0.5, 2.25)
    assert family.samples[0] == Sample("a_seconds_total", Labels(b=" # "), 1.0, 1.5, exemplar)
    assert family.samples[1].name == "a_seconds_created"


def test_native_histograms_are_left_out_and_their_classic_form_stays() -> None:
    text = '# TYPE h histogram\nh {count:24,sum:100,schema:0}\nh_bucket{le="+Inf"} 24\n# EOF\n'
    assert [sample.name for sample in samples(text, OPENMETRICS)] == ["h_bucket"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a 1\n",
        "a 1\n# EOF\n\n",
        "a 1\n# EOF\nb 1",
        "\n# EOF\n",
        "# a comment\n# EOF\n",
        "a 1 \n# EOF\n",
        'a{b="1",} 1\n# EOF\n',
        "# UNIT a_b c\n# EOF\n",
        "# TYPE a untyped\n# EOF\n",
        "a 1 # {} 1\n# EOF\n",
        "a_total 1 # {} NaN Inf\n# EOF\n",
        "a 1 NaN\n# EOF\n",
        "a 1\r\n# EOF\n",
    ],
)
def test_openmetrics_is_strict(text: str) -> None:
    refused(text, OPENMETRICS)
    refused(many(20) + text, OPENMETRICS)


def test_the_content_type_decides_and_without_one_the_end_does() -> None:
    both = "# TYPE a counter\na_total 1 2\n# EOF\n"
    assert samples(both, OPENMETRICS)[0].timestamp == 2.0
    assert samples(both, TEXT)[0].timestamp == 0.002
    for unsaid in (None, "", "application/octet-stream"):
        assert samples(both, unsaid)[0].timestamp == 2.0
        assert samples("a 1 2\n", unsaid)[0].timestamp == 0.002
    for other in ("text/html", "application/json", "application/vnd.google.protobuf; encoding=delimited"):
        assert other.split(";")[0] in str(refused("a 1\n", other))


def test_nothing_is_no_families() -> None:
    assert parse_exposition(b"", TEXT) == []
    assert parse_exposition(b"\n\n# just a comment\n") == []


def test_a_page_of_html_is_refused_in_its_first_line() -> None:
    error = refused("<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", None)
    assert error.details["line"] == 1
    assert len(str(error)) < 200


@pytest.mark.parametrize("cut", [5, 12, 20, 25, 27])
def test_a_cut_document_is_refused(cut: int) -> None:
    whole = many(20)
    assert refused(whole + 'load{cpu="21",mode="idle"} 5'[:cut]).details["line"] == 23


@pytest.mark.parametrize(
    "line",
    [
        'a{b="1",b="2"} 1',
        'a{__name__="b"} 1',
        'a{b="1" 1',
        "a{b=1} 1",
        "a{,} 1",
        'a{b="1",,} 1',
        'a{b="1"}',
        "a",
        "1a 1",
        "a-b 1",
        "{} 1",
        '{"a","b"} 1',
        'a{"b"} 1',
        '{"a".b="c"} 1',
        "a 1 2 3",
        "a 1 1.5",
        "a 1 99999999999999999999",
        "# TYPE a-b gauge",
        "# TYPE a house",
        "\u00e9 1",
        "$ 1",
        "a{ 1",
        "a\x00 1",
    ],
)
@pytest.mark.parametrize("count", [0, 20])
def test_a_bad_line_is_refused_alone_and_among_many_good_ones(line: str, count: int) -> None:
    text = f"{many(count)}{line}\n" if count else f"{line}\n"
    assert refused(text).details["line"] == text.count("\n")


def test_what_is_not_utf8_is_refused_with_its_line() -> None:
    assert refused(b'a 1\nb{c="\xff"} 1\n').details["line"] == 2


def test_limits_hold() -> None:
    assert "64 bytes" in str(refused(many(20), body=64))
    assert "more than 10 samples" in str(refused(many(20), samples=10))
    assert "1 labels" in str(refused(many(20), labels=1))
    assert "longer than 5" in str(refused(many(20, 'load{cpu="%d1234567"} %d'), label_length=5))
    assert len(samples(many(20))) == 20


def test_a_label_bomb_is_refused_quickly() -> None:
    start = time.perf_counter()
    refused("a{" + ",".join(f'l{number}="x"' for number in range(100_000)) + "} 1\n")
    refused('a{b="' + "x" * 2_000_000 + '"} 1\n')
    refused('a{b="' + "\\" * 1_999_999 + '"} 1\n')
    refused("a" + "{" * 1_000_000)
    refused('a{b="' * 200_000)
    assert time.perf_counter() - start < 5


def test_a_huge_document_is_read_or_refused_but_never_half() -> None:
    text = many(50_000)
    assert len(samples(text)) == 50_000
    refused(text + "oops")


@pytest.mark.parametrize("stamp", [0, 1, -1, 32503680000000, -(2**63), 2**63 - 1])
def test_times_in_past_and_future_are_told_as_they_are(stamp: int) -> None:
    assert samples(f"a 1 {stamp}\n")[0].timestamp == stamp / 1000


def test_pieces_give_families_as_they_end_and_what_was_good_before_an_error() -> None:
    reader = ExpositionReader(TEXT)
    assert reader.feed(b"# TYPE a gauge\na 1\n# TYPE b ga") == []
    assert [family.name for family in reader.feed(b"uge\nb 1\nb 2")] == ["a"]
    reader.close()
    assert [sample.value for family in reader.rest() for sample in family.samples] == [1.0, 2.0]
    seen = []
    with pytest.raises(ProtocolMismatchError) as caught:
        seen.extend(iter_exposition([b"a 1\n", b"b 1\n", b"oops\n"]))
    assert caught.value.details["line"] == 3
    families = iter_exposition([b"a 1\nb 1\noops\n"])
    assert [next(families).name, next(families).name] == ["a", "b"]
    with pytest.raises(ProtocolMismatchError):
        next(families)
    with pytest.raises(ProtocolMismatchError):
        list(iter_exposition([b"a 1\n" * 100] * 100, limits=ExpositionLimits(body=10_000)))


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    reader = PlainReader(Dialect.TEXT, ExpositionLimits(), keep=3_000)
    texts = [many(20, f'load{{host="{host}",cpu="%d"}} %d') for host in range(50)]
    for text in texts:
        assert reader.read(text) is not None
    assert 0 < reader._kept <= 3_000
    assert 0 < len(reader._layouts) < 6


def machine(port: int, value: int) -> str:
    """A document of 60 samples, of which one is another on each machine, where nobody looks at first."""
    lines = [f'load{{cpu="{number}"}} {value}' for number in range(60)]
    lines[31] = f'load{{port="{port}"}} {value}'
    return "\n".join(lines) + "\n"


def test_sources_that_look_alike_keep_what_is_known_of_each_and_share_what_fits() -> None:
    reader = PlainReader(Dialect.TEXT, ExpositionLimits())
    for value in range(3):
        for source, port in (("a", 1), ("b", 2), ("c", 1)):
            [family] = reader.read(machine(port, value), source) or []
            assert family.source == source
            assert family.samples[31].labels == {"port": str(port)}
            assert {sample.value for sample in family.samples} == {value}
        if value == 0:
            kept = dict(reader._layouts)
    assert reader._layouts == kept, "nothing had to be read anew"
    assert len(kept) == 2, "one for a and c, and one for b"


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("cpu 5\n", "5\n"),
        ("cpu 5\n", "cpu\n5\n"),
        ("cpu 5\n", "cp 5\n"),
        ("cpu 5\n", "cpu 5 \n"),
        ("x.\n", "x.y\n"),
    ],
)
def test_what_is_not_as_it_was_is_not_taken_for_it(good: str, bad: str) -> None:
    told = f"# HELP cpu x.\n# TYPE cpu gauge\ncpu 5\n{many(20)}"
    reader = PlainReader(Dialect.TEXT, ExpositionLimits())
    for _ in range(3):
        assert reader.read(told) is not None
    other = told.replace(good, bad, 1)
    assert reader.read(other) == PlainReader(Dialect.TEXT, ExpositionLimits()).read(other)
    assert reader.read(other) != reader.read(told)


def test_more_sources_than_kinds_of_documents_are_kept_still_know_their_own() -> None:
    reader = PlainReader(Dialect.TEXT, ExpositionLimits())
    for value in range(3):
        for number in range(100):
            [family] = reader.read(many(10 + number, f'load{{cpu="%d"}} %d{value}'), f"{number}") or []
            assert len(family.samples) == 10 + number
        if value == 0:
            kept = dict(reader._layouts)
    assert reader._layouts == kept, "nothing had to be read anew"


def test_a_source_that_changes_leaves_nothing_behind() -> None:
    reader = PlainReader(Dialect.TEXT, ExpositionLimits())
    for number in range(50):
        assert reader.read(machine(number, 1), "a") is not None
    assert len(reader._layouts) == 1
    assert reader._kept == len(machine(49, 1))


def test_sources_are_bounded_too() -> None:
    reader = PlainReader(Dialect.TEXT, ExpositionLimits(), keep=5_000)
    for number in range(50):
        assert reader.read(machine(number, 1), f"source {number}") is not None
    assert 0 < reader._kept <= 5_000
    assert 0 < len(reader._layouts) < 6


@pytest.mark.parametrize(
    "inside", ['cpu="}', 'cpu="1",x="}', 'cpu="1"x}', 'cpu="1""}', '"1"}', 'cpu="1",cpu="2"}']
)
def test_labels_that_do_not_close_are_no_labels_on_the_short_way(inside: str) -> None:
    text = many(20) + f"load{{{inside} 1\n"
    assert PlainReader(Dialect.TEXT, ExpositionLimits()).read(text) is None


@pytest.mark.parametrize("text", [PLAIN, f"{PLAIN}d 1 1000\n"], ids=["plain", "by line"])
def test_families_that_nobody_asked_for_are_checked_and_left_out(text: str) -> None:
    whole = {family.name: family for family in parse_exposition(text.encode(), TEXT)}
    for _ in range(3):
        some = parse_exposition(text.encode(), TEXT, only={"h", "load", "other"})
        assert some == [whole["load"], whole["h"]]
    with pytest.raises(ProtocolMismatchError, match="number"):
        parse_exposition(text.replace("c 1", "c one").encode(), TEXT, only={"h"})


def test_families_say_whom_they_were_read_from() -> None:
    for text in (many(20), "a 1\nb 2 1000\n"):
        families = parse_exposition(text.encode(), TEXT, source="10.0.0.5:9100")
        assert {family.source for family in families} == {"10.0.0.5:9100"}
    assert parse_exposition(b"a 1\n")[0].source == ""


def test_the_same_series_in_another_order_are_read_anew() -> None:
    lines = many(40).splitlines()
    for moved in (lines[:2] + lines[:1:-1], lines[:30], [*lines, "load 3"]):
        text = "\n".join(moved) + "\n"
        assert [sample.value for sample in samples(text)] == [float(line.split()[-1]) for line in moved[2:]]


def test_exporters_that_are_nearly_alike_are_not_mixed_up() -> None:
    names = [f"metric_{number}" for number in range(200)]
    for odd in [*range(0, 200, 7), *range(0, 200, 7)]:
        said = [*names[:odd], "odd", *names[odd + 1 :]]
        text = "".join(f"# TYPE {name} gauge\n{name} 1\n" for name in said)
        assert [sample.name for sample in samples(text)] == said


def test_long_series_are_read_and_not_remembered() -> None:
    before = len(exposition._KNOWN[Dialect.TEXT])
    text = many(20, 'load{cpu="%d",long="' + "x" * 3000 + '"} %d')
    assert len(samples(text)) == 20
    assert len(exposition._KNOWN[Dialect.TEXT]) == before


def test_a_document_without_metadata_takes_the_short_way_too() -> None:
    text = "".join(f'load{{cpu="{number}"}} {number}\n' for number in range(20))
    reader = PlainReader(Dialect.TEXT, ExpositionLimits())
    for written in (text, text, text.removesuffix("\n")):
        [family] = reader.read(written) or []
        assert (family.name, family.type, len(family.samples)) == ("load", MetricType.UNKNOWN, 20)


def test_a_type_counts_from_where_it_is_told() -> None:
    text = "# HELP a Told early.\na_bucket 1\n# TYPE a histogram\na_count 2\n" + many(20)
    families = {family.name: family for family in parse_exposition(text.encode(), TEXT)}
    assert (families["a_bucket"].type, families["a_bucket"].help) == (MetricType.UNKNOWN, "")
    assert (families["a"].type, families["a"].help) == (MetricType.HISTOGRAM, "Told early.")
    assert [sample.name for sample in families["a"].samples] == ["a_count"]


@pytest.mark.parametrize(
    "odd", ["-0", "NaN", "+Inf", "-Inf", "1e400", "2.5e-324", "9007199254740993", ".5", "+5"]
)
def test_each_number_is_read_bit_for_bit_among_others(odd: str) -> None:
    text = many(20) + f"odd {odd}\n"
    assert repr(samples(text)[-1].value) == repr(float(odd))


@pytest.mark.parametrize("odd", ["1,2", "1_0", "[1]", "1 ,", "", "0x1", "\u0661"])
def test_what_is_no_number_is_none_among_others_either(odd: str) -> None:
    with pytest.raises(ProtocolMismatchError):
        samples(many(20) + f"odd {odd}\n")


@pytest.mark.parametrize(
    "odd", ['{x="1"}"}', '{x="1"}""}', '{x="1}', '{x=1"}', '{x="1",x="2"}', '{="1"}', '{x="1""y="2"}']
)
def test_labels_that_are_none_are_none_wherever_they_stand(odd: str) -> None:
    lines = many(20).splitlines()
    for at in (2, 10, len(lines)):
        with pytest.raises(ProtocolMismatchError):
            samples("\n".join([*lines[:at], f"load{odd} 1", *lines[at:], ""]))


def test_labels_are_shared_and_never_change() -> None:
    [one, *_] = samples(many(20))
    [again, *_] = samples(many(20))
    assert one.labels is again.labels
    with pytest.raises(TypeError):
        one.labels["cpu"] = "7"


def test_the_module_is_small_in_memory_for_other_limits() -> None:
    before = exposition._PLAIN[Dialect.TEXT]._kept
    parse_exposition(many(50, 'load{other="%d"} %d').encode(), TEXT, limits=ExpositionLimits(labels=9))
    assert exposition._PLAIN[Dialect.TEXT]._kept == before


def test_the_package_ships_its_types() -> None:
    assert (Path(exposition.__file__).parent / "py.typed").is_file()


BLOTS = [
    *'abAZ_:019.+-eE{}",= \t\r\n#\\$!~\x0b\u00e9\u0661',
    "# EOF\n",
    "\n\n",
    "# HELP ",
    " 5",
    "NaN",
    '"} ',
]


def everything(families: list[MetricFamily]) -> list[str]:
    return sorted(repr((one.name, one.type, one.help, one.unit, list(one.samples))) for one in families)


@settings(max_examples=400, deadline=None)
@given(st.data())
@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_the_short_way_reads_the_long_way_reads_alike(dialect: Dialect, data: st.DataObject) -> None:
    text = PLAIN + ("# EOF\n" if dialect is Dialect.OPENMETRICS else "")
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(BLOTS)) + text[at + data.draw(st.integers(0, 2)) :]
    short = PlainReader(dialect, ExpositionLimits())
    for _ in range(data.draw(st.integers(0, 3))):
        assert short.read(PLAIN + ("# EOF\n" if dialect is Dialect.OPENMETRICS else "")) is not None
    first, again, then = short.read(text), short.read(text), short.read(text)
    if first is None or again is None or then is None:
        assert first is again is then
        assert text != PLAIN
        return
    long = LineReader(dialect, ExpositionLimits(), {})
    exposition._read(long, text, 1)
    want = everything(list(long.take(finished=True)))
    assert everything(first) == everything(again) == everything(then) == want


SAYINGS = ["HELP", "TYPE", "HELP TYPE", "TYPE HELP", ""]


@st.composite
def families_of_all_kinds(draw: st.DrawFn) -> str:
    """Notes in all orders, with and without samples, and suffixes that may be another family's."""
    lines: list[str] = []
    for name in draw(st.permutations(["a", "a_sum", "a_count", "b", "b_total", "c"])):
        kind = draw(st.sampled_from(["counter", "gauge", "summary", "histogram", "untyped"]))
        told = {"HELP": f"# HELP {name} About {name}.", "TYPE": f"# TYPE {name} {kind}"}
        lines += [told[one] for one in draw(st.sampled_from(SAYINGS)).split()]
        if draw(st.integers(0, 5)) == 0:
            lines.append("# a comment")
        suffix = draw(st.sampled_from(["", "", "_sum", "_count", "_total"]))
        lines += [f'{name}{suffix}{{x="{number}"}} {number}' for number in range(draw(st.integers(0, 9)))]
    return "\n".join(lines) + "\n"


@settings(max_examples=600, deadline=None)
@given(families_of_all_kinds())
def test_whatever_is_said_of_families_both_ways_read_it_alike(text: str) -> None:
    short = PlainReader(Dialect.TEXT, ExpositionLimits()).read(text)
    if short is not None:
        long = LineReader(Dialect.TEXT, ExpositionLimits(), {})
        exposition._read(long, text, 1)
        assert everything(short) == everything(list(long.take(finished=True)))
