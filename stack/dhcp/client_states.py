"""The states of a DHCP client, which may follow which, and what may be heard in each (RFC 2131 4.4, figure 5).

STOPPED and CHECKING are ours: before the start, and while an address is probed for that was given but is not used yet
(`conflict_check="before"`). INIT and INIT-REBOOT are rested in while the link is down.
"""

from __future__ import annotations

import enum

from netif.wire import dhcp_options as option
from netif.wire.dhcp import BOOTREPLY, Message, MessageType


class State(enum.Enum):
    STOPPED = "STOPPED"
    INIT = "INIT"
    SELECTING = "SELECTING"
    REQUESTING = "REQUESTING"
    CHECKING = "CHECKING"
    BOUND = "BOUND"
    RENEWING = "RENEWING"
    REBINDING = "REBINDING"
    INIT_REBOOT = "INIT-REBOOT"
    REBOOTING = "REBOOTING"


STOPPED, INIT, SELECTING, REQUESTING, CHECKING, BOUND, RENEWING, REBINDING, INIT_REBOOT, REBOOTING = State
TRANSITIONS: dict[State, frozenset[State]] = {
    STOPPED: frozenset((INIT, INIT_REBOOT)),
    INIT: frozenset((SELECTING, INIT_REBOOT, STOPPED)),
    SELECTING: frozenset((REQUESTING, INIT, INIT_REBOOT, STOPPED)),
    REQUESTING: frozenset((CHECKING, BOUND, INIT, INIT_REBOOT, STOPPED)),
    CHECKING: frozenset((BOUND, INIT, INIT_REBOOT, STOPPED)),
    BOUND: frozenset((RENEWING, INIT, INIT_REBOOT, STOPPED)),
    RENEWING: frozenset((BOUND, REBINDING, INIT, INIT_REBOOT, STOPPED)),
    REBINDING: frozenset((BOUND, INIT, INIT_REBOOT, STOPPED)),
    INIT_REBOOT: frozenset((REBOOTING, INIT, STOPPED)),
    REBOOTING: frozenset((CHECKING, BOUND, INIT, INIT_REBOOT, STOPPED)),
}

_ANSWERS = frozenset((MessageType.ACK, MessageType.NAK))
HEARD: dict[State, frozenset[MessageType]] = {
    SELECTING: frozenset((MessageType.OFFER,)),
    REQUESTING: _ANSWERS,
    RENEWING: _ANSWERS,
    REBINDING: _ANSWERS,
    REBOOTING: _ANSWERS,
}  # in the other states: nothing


def objection(state: State, message: Message, xid: int, mac: bytes, chosen: bytes) -> str:
    """Why a message does not count, as the reason to drop it; empty: it does. `chosen` is the server we deal with."""
    if message.op != BOOTREPLY or message.xid != xid or message.chaddr != mac:
        return "dhcpc_not_for_us"
    if message.kind not in HEARD.get(state, ()):
        return "dhcpc_unexpected"
    if state in (REQUESTING, RENEWING) and message.options.get(option.SERVER_ID) != chosen:
        return "dhcpc_other_server"
    return ""
