"""Conversations with one host, and two hosts on a wire: see `conversation.py` and `two_hosts.py`."""

import pytest

from tests.stack.tcp.conversation import Conversation, Waiter
from tests.stack.tcp.two_hosts import Pair


@pytest.fixture
def waiter():
    return Waiter()


@pytest.fixture
def new_waiter():
    return Waiter


@pytest.fixture
def tcp_():
    """A conversation that has not begun: the test says with which settings."""
    return Conversation()


@pytest.fixture(name="tcp")
def conversation():
    return Conversation().begin()


@pytest.fixture
def pair():
    return Pair
