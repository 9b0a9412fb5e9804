"""What the stdlib raises, we raise: each misuse on the kernel's sockets and on ours, by type, errno, words."""

import socket as kernel
import warnings

import pytest

import stack.socket as ours
from netif.netif import Netif
from netif.runtime import ThreadedRuntime
from stack.stack import Stack
from tapio import pair
from tests.stack.socket.misuses.calls import CLOSED, TYPES
from tests.stack.socket.misuses.flags import FLAGS
from tests.stack.socket.misuses.net import Net, outcome
from tests.stack.socket.misuses.states import ADDRESSES, PATIENT, STATES


@pytest.fixture(scope="module")
def host():
    runtime = ThreadedRuntime(strict=True)
    one, other = pair()
    with (
        Stack("left", runtime=runtime) as left,
        Stack("right", runtime=runtime) as right,
        Netif(one, stack=left, ip="10.0.0.1/24"),
        Netif(other, stack=right, ip="10.0.0.2/24"),
    ):
        yield left
    runtime.check()
    runtime.close()


ROWS = {**CLOSED, **TYPES, **ADDRESSES, **STATES, **PATIENT, **FLAGS}


@pytest.mark.parametrize("misuse", ROWS)
def test_it_comes_out_as_in_the_kernel(host, misuse):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a row that fails leaves files behind
        expected = outcome(ROWS[misuse], Net(kernel))
        assert outcome(ROWS[misuse], Net(ours, stack=host)) == expected


def test_the_table_is_no_less_than_it_was():
    assert len(ROWS) >= 290
