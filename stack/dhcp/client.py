"""A DHCP client on one interface: what it asks when, whom it believes, and how long a lease holds.

It sets no address: its holder is told. The first DISCOVER goes out at once, without RFC 2131 4.4.1's wait of up to ten
seconds, which is for a street whose power returns; the first acceptable offer is taken. After a binding the server of
the lease alone is believed, until T2. A lease that nobody confirms after a reboot is asked for anew, and holds
meanwhile if it is in use. RFC 2131 3.1 to 3.7, 4.1 and 4.4; states in `client_states`.
"""

from __future__ import annotations

import logging
from ipaddress import IPv4Address
from math import isfinite
from typing import TYPE_CHECKING

from netif.dhcp import DhcpcConfig, Lease, LeaseHolder
from netif.wire import Malformed
from netif.wire import dhcp_options as option
from netif.wire.dhcp import Message, MessageType
from netif.wire.ethernet import BROADCAST, format_mac
from stack.dhcp.client_door import Door
from stack.dhcp.client_fallback import NOBODY, Fallback
from stack.dhcp.client_lease import read
from stack.dhcp.client_messages import compose
from stack.dhcp.client_states import (
    BOUND,
    CHECKING,
    INIT,
    INIT_REBOOT,
    REBINDING,
    REBOOTING,
    RENEWING,
    REQUESTING,
    SELECTING,
    STOPPED,
    TRANSITIONS,
    State,
    objection,
)
from stack.dhcp.client_times import (
    DECLINE_WAIT,
    FUZZ,
    LONGEST_SECS,
    REQUESTS,
    ends_at,
    extension,
    pause,
    retransmission,
)
from stack.timers import Alarm

if TYPE_CHECKING:
    from stack.acd import Claim
    from stack.ethernet import EthernetInterface

logger = logging.getLogger(__name__)


class Client:
    """A `netif.dhcp.DhcpClient`."""

    def __init__(self, interface: EthernetInterface, config: DhcpcConfig, holder: LeaseHolder) -> None:
        self.interface = interface
        self.stack = interface.stack
        self.config = config
        self.holder = holder
        self.lease: Lease | None = None  # in use: the holder was told
        self._state = STOPPED
        self._asked: Lease | None = None  # offered, remembered or in use: what a REQUEST is about
        self._xid = 0
        self._began = 0.0  # when the present exchange began: `secs` counts from there
        self._secs = 0
        self._sent = 0  # messages in this state
        self._sent_at = 0.0
        self._refusals = 0  # NAKs since the last lease
        self._declined: IPv4Address | None = None  # not to be wished for again
        self._early = 1.0  # the share of T1 and T2 that is waited for
        self._server_mac = BROADCAST  # where the last ACK came from
        self._door: Door | None = None
        self._claim: Claim | None = None
        self._next = Alarm(self._act)
        self._end = Alarm(self._expired)
        self._end.maintenance = True
        self._fallback = Fallback(self)

    def __repr__(self) -> str:
        has = "without lease" if self.lease is None else self.lease.ip_info
        return f"<DHCP client on {self.interface.name} {self._state.value} {has}>"

    @property
    def state(self) -> str:
        return self._state.value

    # what the netif tells

    def start(self, previous: Lease | None = None) -> None:
        """OSError: EADDRINUSE, another has port 68."""
        if self._state is not STOPPED:
            return
        self._door = Door(self)
        self.interface.yields = self._yield
        if previous is not None and previous.server != NOBODY:
            self._asked = previous
        lasts = self._asked is not None and ends_at(self._asked) > self.stack.now
        self._become(INIT_REBOOT if lasts else INIT)
        self._arm(self.stack.now)

    def stop(self, *, release: bool = True) -> None:
        if self._door is None:
            return
        if release and self.lease is not None and self.interface.is_up:
            self._release(self._door, self.lease)
        self._drop_claim()
        self._fallback.end()
        self.stack.timers.forget(self._end)
        self.interface.yields = None
        door, self._door = self._door, None
        door.close()
        self.lease = self._asked = None
        self._become(STOPPED)

    def link_up(self) -> None:
        if self._state is STOPPED:
            return
        if self._state not in (INIT, INIT_REBOOT):
            self.link_down()  # it was away, though nobody said so
        self._fallback.link_up()
        if self._next.deadline is None:
            self._arm(self.stack.now)

    def link_down(self) -> None:
        if self._state is STOPPED:
            return
        self._drop_claim()
        if self.lease is not None:
            self._asked = self.lease
        remembers = self.lease is not None or self._state in (INIT_REBOOT, REBOOTING)
        self._rest(INIT_REBOOT if remembers else INIT)

    # what time brings

    def _act(self, now: float) -> None:
        if self._state in (INIT, INIT_REBOOT):
            self._begin(now)
        elif self._state is BOUND:
            self._exchange(RENEWING, now)
        elif self._state is RENEWING and now >= self._due(self._present().rebinding_time):
            self._exchange(REBINDING, now)
        elif 0 < self._tries() <= self._sent:
            self._give_up(now)
        else:
            self._send(now)

    def _begin(self, now: float) -> None:
        if self.interface.is_up:
            self._exchange(REBOOTING if self._state is INIT_REBOOT else SELECTING, now)
            if self.lease is None:
                self._fallback.await_lease()

    def _exchange(self, state: State, now: float) -> None:
        self._become(state)
        self._began = now
        self._xid = self.stack.dice.getrandbits(32)
        self._send(now)

    def _tries(self) -> int:
        """Messages until it is of no use; 0: for ever."""
        return self.config.tries if self._state is SELECTING else REQUESTS.get(self._state, 0)

    def _give_up(self, now: float) -> None:
        if self._state is SELECTING:
            logger.warning("%s: no DHCP server answers", self.interface.name)
            self._rest(INIT)
            return
        if self._state is REQUESTING:
            self._asked = self.lease
        self._rest(INIT)
        self._begin(now)

    def _expired(self, now: float) -> None:
        self.stack.stats.count("dhcpc_expired")
        over = self._state in (BOUND, RENEWING, REBINDING, INIT_REBOOT)
        if over:
            self._rest(INIT)
        self._lose("the lease has expired")
        if over:
            self._begin(now)
        elif self.interface.is_up:
            self._fallback.await_lease()

    # what it says

    def _send(self, now: float) -> None:
        """What this state asks for, and when it asks again."""
        self._sent += 1
        self._sent_at = now
        if self._state is not REQUESTING:  # RFC 2131 4.4.1: that bears the DISCOVER's
            self._secs = min(int(now - self._began), LONGEST_SECS)
        asked = self._asked
        address = None if asked is None else asked.ip_info.ip.packed
        door = self._door
        assert door is not None
        if self._state is SELECTING:
            wanted = address
            if wanted is None and self.config.requested not in (None, self._declined):
                wanted = self.config.requested.packed
            door.send(self._message(MessageType.DISCOVER, requested=wanted))
        elif self._state is REQUESTING:
            server = self._present().server.packed
            door.send(self._message(MessageType.REQUEST, requested=address, server=server))
        elif self._state is REBOOTING:
            door.send(self._message(MessageType.REQUEST, requested=address))
        else:
            message = self._message(MessageType.REQUEST, ciaddr=self._present().ip_info.ip.packed)
            if self._state is RENEWING:
                door.send_routed(message, self._present().server.packed)
            else:
                door.send(message, src=message.ciaddr)
        self._arm(self._again(now))

    def _message(
        self,
        kind: MessageType,
        *,
        ciaddr: bytes = bytes(4),
        requested: bytes | None = None,
        server: bytes | None = None,
    ) -> Message:
        return compose(
            kind,
            self.config,
            mac=self.interface.mac,
            mtu=self.interface.mtu,
            xid=self._xid,
            secs=self._secs,
            ciaddr=ciaddr,
            requested=requested,
            server=server,
        )

    def _again(self, now: float) -> float:
        """When: RFC 2131 4.1, and 4.4.5 of a lease that is to be extended."""
        if self._state not in (RENEWING, REBINDING):
            return now + retransmission(self._sent, self.stack.dice)
        lease = self._present()
        if self._state is RENEWING:
            window, end = lease.rebinding_time - lease.renewal_time, self._due(lease.rebinding_time)
        else:
            window, end = lease.lease_time - lease.rebinding_time, ends_at(lease)
        return extension(now, window, end)

    def _release(self, door: Door, lease: Lease) -> None:
        """RFC 2131 4.4.6. To the MAC that the ACK came from: nobody waits for ARP at the end."""
        self._xid, self._secs = self.stack.dice.getrandbits(32), 0
        own, server = lease.ip_info.ip.packed, lease.server.packed
        message = self._message(MessageType.RELEASE, ciaddr=own, server=server)
        door.send(message, src=own, dst=server, mac=self._server_mac)

    # what it hears

    def heard(self, message: Message, mac: bytes) -> None:
        """From `mac`, or by its hands."""
        chosen = b"" if self._asked is None else self._asked.server.packed
        reason = objection(self._state, message, self._xid, self.interface.mac, chosen)
        if reason:
            self.interface.drop(reason)
        elif message.kind is MessageType.NAK:
            self._refused(message)
        else:
            lease = read(message, self.stack, asked_at=self._sent_at)
            offered = message.kind is MessageType.OFFER
            if lease is None or not (offered or lease.ip_info.ip == self._present().ip_info.ip):
                self.interface.drop("dhcpc_unusable")
            elif offered:
                self._asked = lease
                self._become(REQUESTING)
                self._send(self.stack.now)
            else:
                self._server_mac = mac
                self._acknowledged(lease)

    def _acknowledged(self, lease: Lease) -> None:
        self._asked = lease
        if self.config.conflict_check == "before" and self._is_news(lease):
            self._become(CHECKING)
            self._probe(lease)
        else:
            self._bind(lease)

    def _bind(self, lease: Lease) -> None:
        news = self._is_news(lease)
        self._fallback.end()
        self.lease = lease
        self._refusals = 0
        self._early = 1 - FUZZ * self.stack.dice.random()
        self._become(BOUND)
        self._arm(self._due(lease.renewal_time))
        self.stack.timers.forget(self._end)
        self._end.deadline = ends_at(lease) if isfinite(lease.lease_time) else None
        self.stack.arm(self._end)
        verb = "leased" if news else "renewed"
        logger.info(
            "%s: %s %s by %s for %g s", self.interface.name, verb, lease.ip_info, lease.server, lease.lease_time
        )
        self.holder.leased(lease)
        if news and self.config.conflict_check == "after":
            self._probe(lease)

    def _refused(self, message: Message) -> None:
        """RFC 2131 4.4.5. At once the first time, ever later when refusals follow upon each other."""
        try:
            why = option.parse_text(message.options.get(option.MESSAGE, b""))
        except Malformed:
            why = "no reason given"
        self.stack.stats.count("dhcpc_refused")
        self._asked = None
        self._rest(INIT)
        self._lose(f"the server refused it: {why}")
        self._arm(self.stack.now + (pause(self._refusals) if self._refusals else 0.0))
        self._refusals += 1

    # whether another has the address

    def _is_news(self, lease: Lease) -> bool:
        return self.lease is None or self.lease.ip_info.ip != lease.ip_info.ip

    def _probe(self, lease: Lease) -> None:
        self._claim = self.interface.arp.claim(lease.ip_info.ip.packed, self._probed)

    def _probed(self, mac: bytes | None) -> None:
        self._claim = None
        lease = self._present()
        if mac is not None:
            self._decline(lease, mac)
        elif self._state is CHECKING:
            self._bind(lease)

    def _yield(self, mac: bytes) -> None:
        """Another host keeps our address: `Interface.yields`."""
        if self.lease is not None:
            self._decline(self.lease, mac)
        else:
            self._fallback.conflict(mac)

    def _decline(self, lease: Lease, mac: bytes) -> None:
        """RFC 2131 3.1.5 and 4.4.4."""
        assert self._door is not None
        self.stack.stats.count("dhcpc_declined")
        self._xid, self._secs = self.stack.dice.getrandbits(32), 0
        address, server = lease.ip_info.ip.packed, lease.server.packed
        self._door.send(self._message(MessageType.DECLINE, requested=address, server=server))
        self._drop_claim()
        self._asked, self._declined = None, lease.ip_info.ip
        self._rest(INIT)
        self._lose(f"{format_mac(mac)} uses it", taken=True)
        self._arm(self.stack.now + DECLINE_WAIT)

    def _drop_claim(self) -> None:
        if self._claim is not None:
            self._claim.cancel()
            self._claim = None

    # its state

    def _become(self, state: State) -> None:
        old = self._state
        assert state in TRANSITIONS[old], (old, state)
        self._state = state
        self._sent = 0
        self.stack.timers.forget(self._next)
        self._next.maintenance = state is BOUND
        if self.stack.trace is not None:
            self.stack.trace("state", self.interface, f"DHCP {old.value} -> {state.value}")
        self.holder.dhcp_state(old.value, state.value)

    def _rest(self, state: State) -> None:
        """INIT or INIT-REBOOT, until a time comes or the link."""
        if self._state is not state:
            self._become(state)
        self.stack.timers.forget(self._next)

    def _lose(self, reason: str, *, taken: bool = False) -> None:
        if self.lease is not None:
            self.lease = None
            self.stack.timers.forget(self._end)
            self.holder.lease_lost(reason, taken=taken)

    def _arm(self, when: float) -> None:
        self._next.deadline = when if isfinite(when) else None
        self.stack.arm(self._next)

    def _present(self) -> Lease:
        assert self._asked is not None
        return self._asked

    def _due(self, after: float) -> float:
        """When T1 or T2 comes."""
        return self._present().obtained + after * self._early
