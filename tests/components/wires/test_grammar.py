"""How a wire is written, and what is told of what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.command import Complaint
from components.wires import BadWire, grammar, read
from components.wires.kinds import WIRES, WRAPPERS
from components.wires.plan import filtered


def test_a_kind_and_a_name_with_options():
    plan = read("tap:tap0,create")
    assert (plan.kind, plan.name, plan.options, plan.wrappers) == (WIRES["tap"], "tap0", {"create": ""}, ())


def test_a_wire_without_options_is_named_by_all_that_follows_the_colon():
    assert read("unix:/tmp/a,b=(c").name == "/tmp/a,b=(c"


def test_wrappers_stand_in_any_order_and_depth():
    plan = read("sniff(impair( sniff(unix:/tmp/lan, file=a.pcapng), loss=1%, tx.delay=20ms ), file='b,(c).pcapng')")
    assert plan.name == "/tmp/lan"
    assert [(row.name, dict(options)) for row, options in plan.wrappers] == [
        ("sniff", {"file": "a.pcapng"}),
        ("impair", {"loss": "1%", "tx.delay": "20ms"}),
        ("sniff", {"file": "b,(c).pcapng"}),
    ]


def test_what_follows_the_wire_is_its_own_as_long_as_its_kind_has_such_options():
    plan = read("impair(tap:tap0, create,plain, loss=1%)")
    assert plan.options == {"create": "", "plain": ""}
    assert [dict(options) for _, options in plan.wrappers] == [{"loss": "1%"}]


def test_quotes_keep_a_name_together():
    assert read('impair(unix:"/tmp/a, b", loss=1%)').name == "/tmp/a, b"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tapp:tap0", "there is no wire tapp:, did you mean tap:?"),
        ("impare(tap:tap0)", "there is no wrapper impare(; did you mean impair(?"),
        ("impair(tap:tap0, loss=1%", "the parenthesis after impair is never closed"),
        ("impair(sniff(tap:tap0, file=x)", "the parenthesis after impair is never closed"),
        ("impair(tap:tap0))", ") follows the parenthesis that closes impair(, at character 17"),
        ("impair(tap:tap0) x", "x follows the parenthesis that closes impair("),
        ("impair()", "impair( begins with nothing: a wire comes first"),
        ("impair(loss=1%)", "impair( begins with loss=1%: a wire comes first"),
        ("impair(tap:tap0, los=1%)", "impair(: there is no option los; did you mean loss? loss=1%, "),
        ("impair(tap:tap0, crate)", "impair(: there is no option crate; "),
        ("impair(tap:tap0, loss)", "impair(: loss wants a value: loss=1%"),
        ("impair(tap:tap0, loss=)", "impair(: loss wants a value: loss=1%"),
        ("impair(tap:tap0, loss=1%,)", "impair(: nothing stands behind a comma"),
        ("impair(tap:tap0, loss=1%, loss=2%)", "impair(: loss is said twice"),
        ("impair(tap:tap0, jitter=1ms, keep_order=7)", "impair(: keep_order takes no value"),
        ('sniff(tap:tap0, file="x)', 'the quote at character 22 is never closed: "x)'),
        ("tap:tap0,crate", "tap: there is no option crate; did you mean create? create, plain"),
        ("tap:", "tap: wants a name, such as tap:tap0"),
        ("tap:tap0)", ") closes a parenthesis that none has opened"),
        ("tap:tap0,(create", "a parenthesis is never closed: (create"),
        ("unix:", "unix: wants a path, such as unix:/tmp/lan"),
        ("pcap:eth0,bfp=tcp", "pcap: there is no option bfp; did you mean bpf? bpf='tcp port 80', "),
        ("pcap:", "pcap: wants a name, such as pcap:eth0"),
        ("unix", "the name of a wire ends in a colon: unix:PATH"),
        ("./lan", "is that a socket's path? Then write unix:./lan"),
        ("", "it wants a wire, such as tap:tap0"),
    ],
)
def test_a_mistake_is_told_in_one_line(text, says):
    with pytest.raises(BadWire) as told:
        read(text)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_a_filter_said_by_flag_goes_with_a_wire_that_filters():
    plan = filtered(read("impair(pcap:eth0, loss=1%)"), "tcp port 80, or arp")
    assert plan.options == {"bpf": "tcp port 80, or arp"}
    assert filtered(plan, None) is plan
    with pytest.raises(Complaint, match=r"^--bpf: -i pcap:eth0,bpf=tcp has a filter: say one"):
        filtered(read("pcap:eth0,bpf=tcp"), "arp")
    with pytest.raises(Complaint, match=r"^--bpf: tap: filters nothing, but pcap: does: -i pcap:tap0"):
        filtered(read("tap:tap0"), "arp")


def test_there_is_an_end_to_wrapping():
    with pytest.raises(BadWire, match="more than 16 wrappers"):
        read("impair(" * 17 + "tap:tap0" + ")" * 17)
    assert len(read("impair(" * 16 + "tap:tap0" + ")" * 16).wrappers) == 16


SIGNS = st.sampled_from(["(", ")", ",", "=", '"', "'", ":", " ", "impair", "sniff", "tap", "unix", "loss", "x", "1%"])


@given(st.one_of(st.text(), st.lists(SIGNS, max_size=24).map("".join)))
def test_any_text_is_a_wire_or_one_line_of_complaint(text):
    try:
        assert read(text).kind.name in WIRES
    except BadWire:
        pass


@given(
    st.lists(st.tuples(st.sampled_from(sorted(WRAPPERS)), st.lists(st.text(), max_size=3)), max_size=6),
)
def test_what_was_put_in_quotes_comes_out_as_it_was(calls):
    text = "unix:/tmp/lan"
    for name, values in calls:
        values[:] = [value for value in values if not {'"', "\n"} & set(value) and value]
        text = f"{name}({text}{''.join(f', {n}={chr(34)}{value}{chr(34)}' for n, value in enumerate(values))})"
    parsed = grammar.parse(text)
    assert parsed.head == "unix:/tmp/lan"
    assert [call.name for call in parsed.calls] == [name for name, _ in calls]
    for call, (_, values) in zip(parsed.calls, calls, strict=True):
        known = {str(n): "X" for n in range(len(values))}
        assert list(grammar.options_of("", call.items, known).values()) == values
