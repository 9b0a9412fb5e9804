"""Netif: one interface, a driver bound to a stack under an inherent configuration.

Knows the order of attaching and of letting go, the lifecycle, and what to say when. Refuses to know what is in a frame,
what the stack is, and how the driver moves bytes: it meets them only as `netif.link` says. Public methods take the
gate; `failed` and what is in `Frames` are called under it.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any

import attrs

from netif import mac as macs
from netif.addresses import Addresses, News
from netif.arguments import Arguments, configuration
from netif.bare import BareStack
from netif.closing import aclose_all, close_all
from netif.config import (
    Address,
    DnsInfo,
    DnsType,
    DriverIfconfig,
    Flags,
    InherentConfig,
    IpInfo,
    NetifConfig,
    check_mtu,
)
from netif.errors import DriverAttachFailed, IfNotReady, InitFailed, InvalidParams
from netif.events import DriverFailed, Event, GotIp, LinkDown, LinkUp, LostIp, NetifDown, NetifUp, Observable
from netif.frames import Frames
from netif.lifecycle import TRANSITIONS, Held, State
from netif.link import LinkCaps, NetStack, Runtime, StackInterface
from netif.push import bind, close_handle, plain
from netif.registry import Registry, registry_of

logger = logging.getLogger(__name__)

LINGER = 1.0  # seconds that connections have to end in order before they are reset
DEFAULT_MTU = 1500  # bytes
LARGEST_PACKET = 65535  # bytes; what the stack asks a port for


class Netif(Frames, Observable):
    """`Netif(driver, stack=host, ip="10.0.0.2/24")` attaches and starts; `Netif(config=cfg)` waits for `attach`."""

    def __init__(
        self,
        driver: object = None,
        *,
        stack: NetStack | None = None,
        ip: IpInfo | Address | None = None,
        gateway: Address | None = None,
        netmask: Address | None = None,
        mac: str | bytes | None = None,
        mtu: int | None = None,
        if_key: str | None = None,
        flags: Flags | None = None,
        route_prio: int | None = None,
        config: NetifConfig | None = None,
    ) -> None:
        """The driver is the Netif's from here on: it is closed with it, and also if this fails."""
        try:
            given = Arguments(
                ip=ip,
                gateway=gateway,
                netmask=netmask,
                mac=mac,
                mtu=mtu,
                if_key=if_key,
                flags=flags,
                route_prio=route_prio,
            )
            config = configuration(stack, config, given)
        except BaseException:
            close_handle(driver)
            raise
        self._configure(config)
        try:
            if stack is not None:
                with Held(stack.runtime):
                    self.join(registry_of(stack))
            if driver is not None:
                self.attach(driver)
        except BaseException:
            if self.handle is None:
                close_handle(driver)
            self.close(0)
            raise

    def _configure(self, config: NetifConfig) -> None:
        Frames.__init__(self)
        Observable.__init__(self, self)
        base = config.base
        self.config = config
        self.if_key = base.if_key
        self.flags = base.flags
        self.route_prio = base.route_prio
        self.mac = base.mac or b""
        self.mtu = base.mtu or DEFAULT_MTU
        self.driver_config = config.driver or DriverIfconfig()
        self.handle: Any = None
        self.stack: NetStack | None = None
        self.caps: LinkCaps | None = None  # what the driver granted
        self.registry: Registry | None = None
        self._state = State.NEW
        self._addresses = Addresses(base.ip_info)
        self._claimed = b""  # a default MAC, to be given back
        self._widest = self.mtu  # the mtu that the driver granted
        self._wants_finished = False

    @property
    def state(self) -> State:
        return self._state

    @property
    def is_up(self) -> bool:
        return self._state is State.UP

    def _become(self, state: State) -> None:
        assert state in TRANSITIONS[self._state], f"{self._state} -> {state}"
        logger.debug("%s: %s -> %s", self.if_key, self._state.value, state.value)
        self._state = state

    def _require(self, verb: str, *states: State) -> None:
        if self._state not in states:
            raise IfNotReady(f"cannot {verb} {self!r}; it must be {' or '.join(state.value for state in states)}")

    def join(self, registry: Registry) -> None:
        """Be listed there, and no longer where it was listed before."""
        registry.add(self)
        if self.registry is not None and self.registry is not registry:
            self.registry.remove(self)
        self.registry = registry

    def attach(self, handle: object = None) -> None:
        """Take `handle` (or the configuration's), call its `post_attach(netif, handle)`, start."""
        self._require("attach", State.NEW)
        handle = self.driver_config.handle if handle is None else handle
        if handle is None:
            raise InvalidParams(f"{self!r} has no driver: give attach() a handle, such as Tap('tap0')")
        self._become(State.ATTACHED)
        self.handle = handle
        post_attach = getattr(handle, "post_attach", None)
        if post_attach is not None:
            try:
                post_attach(self, handle)
            except Exception as error:
                if self._state is not State.ATTACHED:  # it got as far as starting
                    self.stop()
                self._become(State.NEW)
                self.handle = None
                raise DriverAttachFailed(f"post_attach of {handle!r} failed: {error}") from error
        self.start()

    def set_driver_config(self, config: DriverIfconfig) -> None:
        """As a `post_attach` does: before the start."""
        self._require("configure the driver of", State.NEW, State.ATTACHED)
        self.driver_config = config
        if config.handle is not None and self._state is State.ATTACHED:
            self.handle = config.handle

    def start(self) -> None:
        """Make the interface and open the driver; with AUTOUP bring the link up. A failure undoes what was done."""
        if self._state in (State.STARTED, State.UP):
            return
        self._require("start", State.ATTACHED)
        self.driver, self._driver_transmit, self._wants_finished = bind(self.handle, self.driver_config.transmit)
        interface: StackInterface | None = self.config.stack.init_fn(self)
        if interface is None:
            raise InitFailed(f"init_fn of {self!r} made no interface; it must return one")
        stack = interface.stack or BareStack(self.if_key)
        with Held(stack.runtime):
            self.interface, self.stack, self.runtime = interface, stack, stack.runtime
            try:
                self.join(registry_of(stack))
                self._open(stack, stack.runtime)
                self._become(State.STARTED)
                if self.flags & Flags.AUTOUP:
                    self._link_up()
            except BaseException:
                self._let_go()
                raise

    def _open(self, stack: NetStack, runtime: Runtime) -> None:
        if not (self.mac or self._claimed):
            shared = getattr(self.driver, "shared_wire", False)
            self._claimed = macs.claim(runtime, stack.name, self.if_key, wire_is_shared=shared)
        self.port = runtime.add(stack, self)
        hardware = self.mac or self._claimed
        want = LinkCaps(mac=hardware, mtu=self.mtu, gso_max=LARGEST_PACKET, tx_checksum=True, rx_checksum=True)
        self.caps = granted = self.driver.open(plain(want) if self._wants_finished else want, self.port)
        if granted.mtu < self.config.base.mtu:
            logger.warning("%s: the wire takes %d bytes of the mtu %d", self.if_key, granted.mtu, self.mtu)
        self.mac, self.mtu = granted.mac, granted.mtu
        self._widest = granted.mtu

    def connected(self) -> None:
        """The wire is plugged in. Does nothing if the link is up."""
        with Held(self.runtime):
            if self._state is not State.UP:
                self._require("connect", State.STARTED)
                self._link_up()

    def disconnected(self) -> None:
        """The wire is unplugged: connections wait for it to come back. Does nothing if the link is down."""
        with Held(self.runtime):
            if self._state is State.UP:
                assert self.interface is not None
                self._become(State.STARTED)
                self.interface.link_down()
                self._link_is_down()

    def stop(self) -> None:
        """Leave the stack; connections are reset. The driver stays open, for the next `start`."""
        with Held(self.runtime):
            if self._state not in (State.CLOSING, State.CLOSED):
                self._require("stop", State.STARTED, State.UP)
                self._let_go()

    def failed(self, error: OSError) -> None:
        """From the runtime: the driver is dead. Its connections end with ENETDOWN."""
        if self.interface is None:
            return
        logger.warning("%s: the driver failed: %s", self.if_key, error)
        self._drop_frames()
        self.interface.link_down()
        self._let_go()
        self._publish(DriverFailed(self, error))

    def _link_up(self) -> None:
        assert self.interface is not None
        assert self.caps is not None
        self._become(State.UP)
        self._pass_frames(self.config.stack.input_fn)
        self.interface.link_up(self.caps)
        self._publish(LinkUp(self))
        self._publish(NetifUp(self))
        self._announce(self._addresses.apply(self.interface, always=True))
        self._tell_registry()

    def _link_is_down(self) -> None:
        """What follows when frames no longer pass."""
        self._drop_frames()
        if self._happened(LinkUp) is not None:
            self._publish(LinkDown(self))
            self._publish(NetifDown(self))
        if self.registry is not None:
            self.registry.stopped()

    def _let_go(self) -> None:
        """Undo `start`: abort what is left, send that, forget the link, give the port back."""
        interface, stack, runtime = self.interface, self.stack, self.runtime
        if interface is None or stack is None or runtime is None:
            return
        if self._state in (State.STARTED, State.UP):
            self._become(State.ATTACHED)
        with ExitStack() as steps:  # last in, first out; each is taken, whatever the one before raised
            steps.callback(self._forget_interface, stack)
            steps.callback(runtime.remove, self)
            steps.callback(lambda: stack.flush(runtime.now()))
            steps.callback(interface.detach)

    def _forget_interface(self, stack: NetStack) -> None:
        self.interface = self.port = self.caps = None
        self._link_is_down()
        self._announce(self._addresses.withdraw())
        if isinstance(stack, BareStack):
            stack.close()
        else:
            stack.runtime.touch(stack)

    @property
    def ip_info(self) -> IpInfo:
        return self._addresses.info

    @ip_info.setter
    def ip_info(self, info: IpInfo | Address) -> None:
        self.set_ip_info(info)

    def set_ip_info(self, info: IpInfo | Address) -> None:
        """A static address; an empty one takes it away, and aborts what used it."""
        info = info if isinstance(info, IpInfo) else IpInfo(info)
        with Held(self.runtime):
            self._address(info)

    def yielded(self) -> None:
        """From the stack: another host keeps our address, which is taken away. Gate held."""
        logger.warning("%s: another host has %s, and we give way", self.if_key, self._addresses.info.ip)
        self._address(IpInfo())

    def _address(self, info: IpInfo) -> None:
        self._addresses.info = info
        if self._state is State.UP:
            assert self.interface is not None
            always = bool(self.flags & Flags.EVENT_IP_MODIFIED)
            self._announce(self._addresses.apply(self.interface, always=always))
            self._tell_registry()

    def _announce(self, news: News) -> None:
        base = self.config.base
        if news is News.GOT:
            self.log_address()
            self._publish(GotIp(self, self._addresses.info, self._addresses.changed, base.get_ip_event))
        elif news is News.LOST:
            self._publish(LostIp(self, base.lost_ip_event))
        elif news is News.MISSING:
            logger.warning("%s", self._missing_address())

    def _may_come(self, event_type: type[Event]) -> None:
        """Raise if waiting for `event_type` would be in vain."""
        if self._state is State.CLOSED:
            raise IfNotReady(f"{self!r} is closed: no {event_type.__name__} will come")
        if event_type is GotIp and not self._addresses.info:
            raise IfNotReady(self._missing_address())

    def log_address(self) -> None:
        info = self._addresses.info
        name = self.config.base.if_desc or self.if_key
        logger.info("%s ip: %s, mask: %s, gw: %s", name, info.ip, info.netmask, info.gw)

    def _missing_address(self) -> str:
        return f"{self.if_key} has no address and will get none by itself: give it one, as in ip='192.168.5.100/24'"

    def _tell_registry(self) -> None:
        assert self.registry is not None
        self.registry.started(self)
        if self.stack is not None:
            self.stack.runtime.touch(self.stack)

    @property
    def dns(self) -> tuple[bytes, ...]:
        """The name servers, the one to ask first in front."""
        return self._addresses.servers()

    def get_dns_info(self, kind: DnsType) -> DnsInfo | None:
        return self._addresses.server(kind)

    def set_dns_info(self, kind: DnsType, info: DnsInfo) -> None:
        """Used while this is the default interface."""
        with Held(self.runtime):
            self._addresses.set_server(kind, info)
            if self.registry is not None:
                self.registry.refresh()

    def set_mac(self, mac: str | bytes) -> None:
        """Six bytes, or text; also while the link is up."""
        address = InherentConfig(self.if_key, mac=mac).mac
        if address is None:
            raise InvalidParams("a MAC address of all zeros is no address; give another")
        with Held(self.runtime):
            self.mac = address
            if self.interface is not None and self.caps is not None:
                self.caps = attrs.evolve(self.caps, mac=address)
                self.interface.set_mac(address)

    def set_mtu(self, mtu: int) -> None:
        """Bytes of an IP packet; also while the link is up, then at most what the wire granted."""
        with Held(self.runtime):
            if self.interface is not None and mtu > self._widest:
                raise InvalidParams(
                    f"mtu: {self.if_key} was granted {self._widest} bytes; ask for {mtu} before the start"
                )
            self.mtu = check_mtu(mtu)
            if self.interface is not None and self.caps is not None:
                self.caps = attrs.evolve(self.caps, mtu=mtu)
                self.interface.set_mtu(mtu)

    def set_route_prio(self, route_prio: int) -> None:
        """Counts at the next election; `registry.set_default(None)` holds one."""
        self.route_prio = route_prio

    def close(self, linger: float = LINGER) -> None:
        """End the connections in order (FIN; RST after `linger` seconds), detach, close the driver. Idempotent."""
        close_all((self,), linger)

    async def aclose(self, linger: float = LINGER) -> None:
        """As `close`, awaiting."""
        await aclose_all((self,), linger)

    def begin_close(self) -> bool:
        """False if it is under way, or done. Gate held."""
        if self._state in (State.CLOSING, State.CLOSED):
            return False
        if self._state in (State.STARTED, State.UP):
            self._become(State.CLOSING)
        return True

    def end_close(self) -> None:
        """Gate held."""
        with ExitStack() as steps:
            steps.callback(self._forget)
            steps.callback(close_handle, self.handle if self.driver is None else self.driver)
            steps.callback(self._let_go)

    def _forget(self) -> None:
        self._become(State.CLOSED)
        if self.registry is not None:
            self.registry.remove(self)
        if self.runtime is not None:
            macs.release(self.runtime, self._claimed)
        self._wake_all()

    def __enter__(self) -> Netif:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Netif:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        host = "" if self.stack is None else f" on {self.stack.name}"
        hardware = f" {self.mac.hex(':')}" if self.mac else ""
        return f"<Netif {self.if_key} {self.ip_info}{hardware} {self._state.name}{host}>"
