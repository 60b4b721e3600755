"""What the exporter does not escape is read all the same; what cannot be read is told."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from purveyor.plugin import ProtocolMismatchError
from purveyor_dcgm._reading import Reader
from purveyor_prometheus import ExpositionLimits

LINE = 'DCGM_FI_DEV_POWER_USAGE{{gpu="{gpu}",UUID="GPU-{gpu}",hpc_job="{job}",pod="p"}} {value}\n'
HEAD = "# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).\n# TYPE DCGM_FI_DEV_POWER_USAGE gauge\n"


def samples(reader, text, content_type="text/plain; charset=utf-8", **limits):
    families = reader(text.encode(), content_type, limits=ExpositionLimits(**limits))
    return [sample for family in families for sample in family.samples]


@given(job=st.text('"\\{}= ,\nab', max_size=30), value=st.floats(0, 1000))
@example(job='the "big" one', value=5.0)
@example(job="a} 5\nb", value=5.0)
def test_whatever_a_job_is_called_the_numbers_and_the_gpus_stay(job, value):
    assume(not re.search(r'",[ \t]*[a-z]\w*="', f'{job}"'))  # that is a label of its own, for everybody
    text = HEAD + "".join(LINE.format(gpu=gpu, job=job if gpu == 1 else "", value=value) for gpu in range(3))
    reader = Reader()
    found = samples(reader, text)
    assert [(one.labels["UUID"], one.value) for one in found] == [(f"GPU-{gpu}", value) for gpu in range(3)]
    assert not reader.cut
    if reader.refused:
        assert found[1].labels["hpc_job"] == job
        assert found[1].labels["pod"] == "p"


def test_a_help_text_that_breaks_the_line_does_no_harm():
    text = HEAD.replace("(in W)", "(in W,\nof the board)") + LINE.format(gpu=0, job="", value=1)
    reader = Reader()
    assert len(samples(reader, text)) == 1
    assert (reader.refused is None, reader.cut) == (False, False)


@given(st.integers(1, len(LINE)))
def test_a_document_that_was_cut_says_so(characters):
    whole = HEAD + LINE.format(gpu=0, job="", value=1)
    text = (whole + LINE.format(gpu=1, job="", value=12345))[: len(whole) + characters]
    reader = Reader()
    found = samples(reader, text)
    assert found[0].labels["UUID"] == "GPU-0"
    assert reader.cut or len(found) == 2


def test_a_document_that_should_have_an_end_and_has_none_was_cut():
    reader = Reader()
    assert samples(
        reader, LINE.format(gpu=0, job='"', value=1), "application/openmetrics-text; version=1.0.0"
    )
    assert reader.cut


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>Sign in</body></html>",
        "{}",
        "DCGM_FI_DEV_POWER_USAGE{gpu=",
        'DCGM_FI_DEV_POWER_USAGE{gpu="0",gpu="1"} 1\n',
        'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 0x10\n',
        'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 1_0\n',
        "DCGM_FI_DEV_POWER_USAGE{" + ",".join(f'l{at}="v"' for at in range(1000)) + "} 1\n",
        'DCGM_FI_DEV_POWER_USAGE{a="%s"} 1\n' % ("x" * 20_000),
        'DCGM_FI_DEV_POWER_USAGE{gpu="' + "\n".join(["x"] * 50_000),
        "\x00\x01\x02",
    ],
    ids=range(10),
)
def test_what_has_nothing_that_can_be_read_is_refused_with_the_line(text):
    with pytest.raises(ProtocolMismatchError) as caught:
        samples(Reader(), text)
    assert caught.value.details["line"]


def test_another_format_is_not_even_tried():
    with pytest.raises(ProtocolMismatchError, match="text/html"):
        samples(Reader(), LINE.format(gpu=0, job="", value=1), "text/html")
