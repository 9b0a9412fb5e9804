"""The kernel as referee: every kind of segment in every state, to it and to our stack; both have to say the same.

A machine that stalls for longer than the kernel's retransmission time-out puts copies into the kernel's answers. So
conversations that differ are played again without the others, a few at a time, up to twice; only one that differs every
time is a difference.

RFC 9293 3.10.7, RFC 5961. Where we differ, `DIFFERENT` says so, and why; what stands there and is no longer so fails.
"""

from __future__ import annotations

import re

import pytest

from tests.host.namespaces import namespace
from tests.host.referee import Kernel, Outcome, ours

pytestmark = pytest.mark.host

SYN = "S 0:0(0) win 65535 <mss 1460>"
ESTABLISHED = (SYN, ". 1:1(0) ack 1 win 65535", "accept")
FIN_WAIT_1 = (*ESTABLISHED, "shutdown")
STATES = {
    "LISTEN": ((), 0, 0),  # the steps that lead there, then rcv_nxt and snd_nxt
    "SYN-SENT": (("connect",), 0, 1),
    "SYN-RECEIVED": ((SYN,), 1, 1),
    "ESTABLISHED": (ESTABLISHED, 1, 1),
    "ESTABLISHED with data in flight": ((*ESTABLISHED, "write 100"), 1, 101),
    "FIN-WAIT-1": (FIN_WAIT_1, 1, 2),
    "FIN-WAIT-2": ((*FIN_WAIT_1, ". 1:1(0) ack 2 win 65535"), 1, 2),
    "CLOSING": ((*FIN_WAIT_1, "F. 1:1(0) ack 1 win 65535"), 2, 2),
    "TIME-WAIT": ((*FIN_WAIT_1, ". 1:1(0) ack 2 win 65535", "F. 1:1(0) ack 2 win 65535"), 2, 2),
    "CLOSE-WAIT": ((*ESTABLISHED, "F. 1:1(0) ack 1 win 65535"), 2, 1),
    "LAST-ACK": ((*ESTABLISHED, "F. 1:1(0) ack 1 win 65535", "close"), 2, 2),
}
PLAYED_AGAIN, A_FEW = 2, 10  # times; at once
PLACES = {"exactly next": 0, "the last again": -1, "old": -1000, "in the window": 100, "beyond the window": 70_000}
ACKS = {"of all": 0, "of one less": -1, "very old": -100_000, "of what was never sent": 1000}
KINDS = {
    "SYN": ("S", 0),
    "SYN-ACK": ("S.", 0),
    "ACK": (".", 0),
    "data": ("P.", 10),
    "data without ACK": ("P", 10),
    "FIN-ACK": ("F.", 0),
    "FIN with data": ("FP.", 10),
    "FIN without ACK": ("F", 0),
    "RST": ("R", 0),
    "RST-ACK": ("R.", 0),
    "SYN-FIN": ("SF", 0),
    "SYN-RST": ("SR", 0),
    "nothing": ("-", 0),
    "everything": ("FSRP.U", 0),
}
DIFFERENT = {  # what is so by intent: which cases, and why
    r"(LISTEN|TIME-WAIT|SYN-SENT): SYN-FIN": "RFC 9293 3.10.7.2: the SYN counts, whatever comes with it",
    r"SYN-RECEIVED: (SYN|SYN-FIN|SYN-ACK), (exactly next|in the window)": "3.10.7.4, fourth: back to LISTEN",
    r"SYN-RECEIVED: .*, (the last again|old|beyond the window), ACK": "3.10.7.4: the sequence number comes first",
    r": (data|FIN) without ACK, |: nothing, ": "3.10.7.4: the sequence number comes before the ACK bit",
    r": SYN-RST, the last again": "3.10.7.4: a RST outside the window is dropped, whatever comes with it",
    r"in flight: data, exactly next, ACK very old": "RFC 5961 5.2; Linux' header prediction takes it",
    r"(LISTEN|TIME-WAIT): SYN, ": "3.10.7.4: in the SYN-RECEIVED that follows, the sequence number comes first",
    r": FIN-ACK, exactly next": "3.10.7.4, seventh: text after the FIN is ignored; Linux resets",
    r"(CLOSING|CLOSE-WAIT|LAST-ACK): (RST|RST-ACK), the last again": "RFC 5961 3.2; Linux takes one at the FIN too",
    r"(CLOSING|CLOSE-WAIT|LAST-ACK): (data|FIN with data), the last again": "3.10.7.4: text after the FIN is ignored",
    r"(CLOSING|CLOSE-WAIT|LAST-ACK): everything": "RFC 5961 3.2; Linux takes one at the FIN too",
    r"(CLOSING|LAST-ACK): FIN-ACK, the last again, ACK of all": "3.10.7.4: a copy of the FIN is answered",
}


def cases() -> dict[str, tuple[str, ...]]:
    made = {}
    for state, (steps, rcv_nxt, snd_nxt) in STATES.items():
        for kind, (flags, length) in KINDS.items():
            for place, seq in PLACES.items():
                for which, ack in ACKS.items() if "." in flags else {"none": 0}.items():
                    start = rcv_nxt + seq & 0xFFFFFFFF
                    text = f"{flags} {start}:{start + length & 0xFFFFFFFF}({length})"
                    if "." in flags:
                        text += f" ack {snd_nxt + ack & 0xFFFFFFFF}"
                    text += " win 65535" + (" <mss 1460>" if "S" in flags else "")
                    name = f"{state}: {kind}, {place}" + (f", ACK {which}" if "." in flags else "")
                    then = f"P. {rcv_nxt}:{rcv_nxt + 5}(5) ack {snd_nxt} win 65535"
                    made[name] = (*steps, text, then)
    return made


def test_both_say_the_same():
    made = cases()
    all_of_ours = {name: ours(steps) for name, steps in made.items()}
    expected = {name: said for name, said in all_of_ours.items() if not any(re.search(one, name) for one in DIFFERENT)}
    with namespace() as ns:
        ns.add_tap("tap0", "192.168.5.1/24")
        kernel = Kernel(ns)
        try:
            played = kernel.play(made)
            theirs = differing(expected, played)
            for _ in range(PLAYED_AGAIN):
                theirs = differing(expected, kernel.play({name: made[name] for name in theirs}, at_once=A_FEW))
        finally:
            kernel.close()
    different = [
        f"{name}: {', '.join(made[name])}\n    ours   {expected[name]}\n    kernel {said}"
        for name, said in theirs.items()
    ]
    assert not different, "\n".join([f"{len(different)} of {len(made)}", *different])
    still = "\n".join(differing(all_of_ours, played))
    assert not [one for one in DIFFERENT if not re.search(one, still)], "no longer different"


def differing(expected: dict[str, Outcome], theirs: dict[str, Outcome]) -> dict[str, Outcome]:
    """What the kernel said where that is not what is expected of it."""
    return {name: said for name, said in theirs.items() if name in expected and said != expected[name]}
