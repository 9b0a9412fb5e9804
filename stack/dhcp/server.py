"""A DHCP server on one interface: what each message of a client does, and where the answer goes.

Authoritative for its pools: what contradicts them is refused, what it knows nothing of is left to others. Leases are
saved before their clients are told. Which address is whose is `server_leases`'s, what else is told `server_options`'s.
RFC 2131 4.1, 4.3; RFC 3046 (relay agents); RFC 6842.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netif.dhcp import AddressGiver, DhcpsConfig, GivenLease
from netif.errors import DhcpsStartFailed
from netif.link import Buffer, Offload
from netif.wire import Malformed, ethernet, udp
from netif.wire import dhcp_options as option
from netif.wire.dhcp import BOOTREQUEST, SERVER_PORT, Message, MessageType, parse
from netif.wire.ip import ANY, format_address
from stack.dhcp.server_answers import Answer, refusal, reply, send
from stack.dhcp.server_leases import BOUND, FREE, OFFER_TIME, OFFERED, SPARE, Binding
from stack.dhcp.server_options import chosen, lease_time, of_lease, of_reply
from stack.dhcp.server_probe import Probe
from stack.dhcp.server_subnets import Subnet, serve, subnet_of
from stack.udp import Address, UdpEndpoint

if TYPE_CHECKING:
    from stack.ethernet import EthernetInterface
    from stack.interface import Interface

logger = logging.getLogger(__name__)


class Door(UdpEndpoint):
    """Port 67 of one interface; what arrives is dealt with at once, what it leads to leaves with the flush."""

    __slots__ = ("server",)

    def __init__(self, server: Server) -> None:
        super().__init__(server.stack)
        self.server = server
        self.interface = server.interface
        self.reuse = True  # for the servers on other interfaces
        self.bind(ANY, SERVER_PORT)

    def arrived(
        self, interface: Interface, frame: Buffer, start: int, end: int, source: Address, offload: Offload | None
    ) -> None:
        at = interface.link_length + 16
        message = parse(frame, start + udp.HEADER_LENGTH, end)
        self.server.heard(message, to_us=frame[at : at + 4] == self.server.own)
        self.stack.owe(self)

    def flush(self, now: float) -> None:
        super().flush(now)
        self.server.flush(now)


class Server:
    """A `netif.dhcp.DhcpServer`. What it gave is kept in its stack by the interface's name when it stops."""

    def __init__(self, interface: EthernetInterface, config: DhcpsConfig, giver: AddressGiver) -> None:
        self.interface = interface
        self.stack = interface.stack
        self.config = config
        self.giver = giver
        self.own = b""  # the interface's address while it serves
        self.subnets: list[Subnet] = []  # while it serves; the interface's own comes first
        self._door: Door | None = None
        self._probes: dict[
            bytes, tuple[Probe, Binding, Message]
        ] = {}  # by address: offers that wait for the end of one
        self._answers: list[tuple[Answer, Binding | None]] = []
        self._unsaved = False

    def __repr__(self) -> str:
        serves = ", ".join(repr(subnet.pool) for subnet in self.subnets) or "stopped"
        return f"<DHCP server on {self.interface.name}: {serves}>"

    def start(self) -> None:
        if self._door is not None:
            return
        subnets = serve(self.config, self.interface)
        try:
            self._door = Door(self)
        except OSError as error:
            raise DhcpsStartFailed(f"UDP port {SERVER_PORT} of {self.stack.name} is taken: {error.strerror}") from None
        self.own, self.subnets = self.interface.address, subnets
        for lease in self._known():
            for subnet in self.subnets:
                if subnet.pool.holds(lease.ip.packed):
                    subnet.pool.restore(lease, self.stack.now)
        logger.info("%s: DHCP server at %s", self.interface.name, format_address(self.own))

    def stop(self) -> None:
        if self._door is None:
            return
        for probe, _, _ in self._probes.values():
            probe.cancel()
        self._probes.clear()
        self.flush(self.stack.now)
        self.stack.dhcp_leases[self.interface.name] = self._leases()
        for subnet in self.subnets:
            subnet.pool.close()
        self._door.close()
        self._door = None
        self.subnets = []

    def client_address(self, mac: bytes) -> IPv4Address | None:
        for subnet in self.subnets:
            for binding in subnet.pool.bindings.values():
                if binding.mac == mac and binding.state is BOUND:
                    return IPv4Address(binding.address)
        return None

    def heard(self, message: Message, *, to_us: bool) -> None:
        """`to_us`: by unicast, as a client sends it that renews its lease. Malformed, before anything has changed."""
        for code, read in _READ.items():
            if code in message.options:
                read(message.options[code])
        if message.op != BOOTREQUEST or message.kind not in _HANDLERS:
            self._drop("dhcps_kind")
            return
        if message.chaddr[0] & 1 or not any(message.chaddr):
            self._drop("dhcps_sender")
            return
        if self.interface.address != self.own:
            self._drop("dhcps_readdressed")
            return
        subnet = subnet_of(self.subnets, message, to_us=to_us)
        if subnet is None:
            self._drop("dhcps_relay")
            return
        named = message.options.get(option.SERVER_ID)
        if named is not None and named != self.own:
            self._not_ours(message, subnet)
        else:
            _HANDLERS[message.kind](self, message, subnet, to_us)

    def flush(self, now: float) -> None:
        """RFC 2131 2.2: what is kept outlives us before anybody relies on it."""
        answers, self._answers = self._answers, []
        if self._unsaved:
            self._unsaved = False
            self._save(now)
        for answer, new in answers:
            try:
                send(answer, self.interface, self.own)
            except OSError:
                self._drop("ip_no_route")
            if new is not None:
                self.giver.assigned(new.mac, IPv4Address(new.address), new.hostname)

    # the messages

    def _discover(self, message: Message, subnet: Subnet, to_us: bool) -> None:
        if message.ciaddr != ANY and not subnet.pool.holds(message.ciaddr):
            self._drop("dhcps_claim")
            return
        wanted = message.options.get(option.REQUESTED_IP, ANY)
        binding = subnet.pool.choose(_client(message), message.chaddr, wanted)
        if binding is None:
            self._drop("dhcps_pool_empty")
        elif binding.state in (FREE, SPARE) and self._may_probe(subnet):
            self._probe(binding, message)
        elif not self._is_probed(binding, message):
            self._offer(message, subnet, binding)

    def _offer(self, message: Message, subnet: Subnet, binding: Binding) -> None:
        said = of_lease(lease_time(self.config, message))
        subnet.pool.offer(binding, self.stack.now, OFFER_TIME)
        self._answer(message, subnet, said, binding.address)

    def _request(self, message: Message, subnet: Subnet, to_us: bool) -> None:
        """RFC 2131 4.3.2: which of the four it is shows by what it says, and by how it came."""
        pool, client = subnet.pool, _client(message)
        address = message.ciaddr if message.ciaddr != ANY else message.options.get(option.REQUESTED_IP, ANY)
        binding = pool.of(client)
        if address == ANY:
            self._drop("dhcps_claim")
            return
        selecting = option.SERVER_ID in message.options
        renewing = to_us and message.ciaddr != ANY
        if not pool.holds(address) or (binding is not None and binding.address != address):
            self._refuse(message, "not your address here")
        elif binding is not None:
            self._acknowledge(message, subnet, binding, anew=message.ciaddr == ANY)
        elif not (selecting or renewing):
            self._drop("dhcps_unknown_client")  # another server may know it
        elif (binding := pool.take(client, message.chaddr, address)) is not None:
            self._acknowledge(message, subnet, binding, anew=True)
        else:
            self._refuse(message, "not available")

    def _decline(self, message: Message, subnet: Subnet, to_us: bool) -> None:
        """RFC 2131 4.3.3: another host has it."""
        binding = self._binding_of(message, subnet, message.options.get(option.REQUESTED_IP, ANY))
        if binding is not None:
            self._rest(binding, message.chaddr)

    def _release(self, message: Message, subnet: Subnet, to_us: bool) -> None:
        binding = self._binding_of(message, subnet, message.ciaddr)
        if binding is not None and binding.state is BOUND:
            subnet.pool.release(binding, self.stack.now)
            self._unsaved = True

    def _inform(self, message: Message, subnet: Subnet, to_us: bool) -> None:
        """RFC 2131 4.3.5: whoever has an address, from wherever, is told the rest."""
        if subnet.pool.holds(message.ciaddr):
            self._answer(message, subnet, {})
        else:
            self._drop("dhcps_claim")

    def _not_ours(self, message: Message, subnet: Subnet) -> None:
        """Another server's offer was taken: ours is free again."""
        binding = subnet.pool.of(_client(message))
        if message.kind is MessageType.REQUEST and binding is not None and binding.state is OFFERED:
            binding.expire(self.stack.now)
        self._drop("dhcps_other_server")

    # what they lead to

    def _acknowledge(self, message: Message, subnet: Subnet, binding: Binding, *, anew: bool) -> None:
        """`anew`: the client has just come, and not renewed."""
        seconds = lease_time(self.config, message)
        subnet.pool.bind(binding, self.stack.now, seconds)
        binding.mac = message.chaddr
        binding.hostname = _hostname(message) or binding.hostname
        self._unsaved = True
        self._answer(message, subnet, of_lease(seconds), binding.address, binding if anew else None)
        if anew:
            logger.info("%s: %s is %s's", self.interface.name, format_address(binding.address), _whose(message))

    def _refuse(self, message: Message, why: str) -> None:
        self.stack.stats.count("dhcps_refused")
        options = of_reply(message, self.own, {option.MESSAGE: why.encode()})
        self._owe(refusal(message, options, self.interface.mtu))

    def _answer(
        self, message: Message, subnet: Subnet, said: dict[int, bytes], yiaddr: bytes = ANY, new: Binding | None = None
    ) -> None:
        options = {**of_reply(message, self.own, said), **chosen(message, subnet.options)}
        self._owe(reply(message, options, self.own, self.interface.mtu, yiaddr), new)

    def _owe(self, answer: Answer, new: Binding | None = None) -> None:
        """`new`: the client of this binding has just come."""
        self._answers.append((answer, new))
        if self._door is not None:
            self.stack.owe(self._door)

    # conflicts

    def _may_probe(self, subnet: Subnet) -> bool:
        if not (self.config.conflict_probe and subnet.on_link):
            return False
        if len(self._probes) < self.stack.limits.dhcp_probes:
            return True
        self.stack.stats.count("dhcps_unprobed")
        return False

    def _is_probed(self, binding: Binding, message: Message) -> bool:
        """If so, it is the latest message that will be answered."""
        probe, probed, _ = self._probes.get(binding.address, (None, None, None))
        if probe is None or probed is not binding:
            return False
        self._probes[binding.address] = (probe, binding, message)
        return True

    def _probe(self, binding: Binding, message: Message) -> None:
        wait = self.config.conflict_probe
        binding.pool.offer(binding, self.stack.now, OFFER_TIME + wait)

        def told(mac: bytes | None) -> None:
            self._probed(binding.address, mac)

        probe = Probe(self.interface.arp, binding.address, message.chaddr, wait, told)
        self._probes[binding.address] = (probe, binding, message)

    def _probed(self, address: bytes, mac: bytes | None) -> None:
        """`mac`: whoever has the address; None: nobody."""
        _, binding, message = self._probes.pop(address)
        subnet = self.subnets[0]
        if binding.state is not OFFERED:
            return  # something else became of it meanwhile
        if mac is None:
            self._offer(message, subnet, binding)
        else:
            self._rest(binding, mac)
            self._discover(message, subnet, False)

    def _rest(self, binding: Binding, mac: bytes) -> None:
        self.stack.stats.count("dhcps_declined")
        where = (self.interface.name, format_address(binding.address))
        logger.warning("%s: %s is in use by another host, says %s", *where, ethernet.format_mac(mac))
        binding.pool.decline(binding, self.stack.now, self.config.decline_time)
        self._unsaved = True

    # who and where

    def _binding_of(self, message: Message, subnet: Subnet, address: bytes) -> Binding | None:
        """The client's, if it speaks of that."""
        binding = subnet.pool.of(_client(message))
        if binding is None or binding.address != address or binding.state not in (OFFERED, BOUND):
            self._drop("dhcps_unknown_client")
            return None
        return binding

    def _drop(self, reason: str) -> None:
        self.interface.drop(reason)

    # what outlives it

    def _leases(self) -> tuple[GivenLease, ...]:
        return tuple(lease for subnet in self.subnets for lease in subnet.pool.leases())

    def _known(self) -> tuple[GivenLease, ...]:
        """What was given before: by this stack, or by one that left it in the store."""
        known = self.stack.dhcp_leases.get(self.interface.name, ())
        if not known and self.config.store is not None:
            try:
                known = tuple(self.config.store.load(self.stack.now))
            except OSError as error:
                self._complain(error)
        return known

    def _save(self, now: float) -> None:
        if self.config.store is not None:
            try:
                self.config.store.save(self._leases(), now)
            except OSError as error:
                self._complain(error)

    def _complain(self, error: OSError) -> None:
        self.stack.stats.count("dhcps_store_failed")
        logger.error("%s: leases cannot be kept: %s", self.interface.name, error)


_HANDLERS = {
    MessageType.DISCOVER: Server._discover,
    MessageType.REQUEST: Server._request,
    MessageType.DECLINE: Server._decline,
    MessageType.RELEASE: Server._release,
    MessageType.INFORM: Server._inform,
}
_READ: dict[int, Callable[[bytes], object]] = {
    option.REQUESTED_IP: option.parse_address,
    option.LEASE_TIME: option.parse_seconds,
    option.SERVER_ID: option.parse_address,
    option.MAX_SIZE: option.parse_u16,
}  # what is acted upon


def _client(message: Message) -> bytes:
    """RFC 2131 4.2: what it calls itself, else its hardware type and address (RFC 2132 9.14 writes both alike)."""
    named = message.options.get(option.CLIENT_ID, b"")
    return named if 1 < len(named) < 256 else option.plain_client_id(message.chaddr)


def _hostname(message: Message) -> str:
    """Empty where there is none that can be read."""
    try:
        return option.parse_domain(message.options.get(option.HOST_NAME, b""))
    except Malformed:
        return ""


def _whose(message: Message) -> str:
    return f"{_hostname(message)} {ethernet.format_mac(message.chaddr)}".lstrip()
