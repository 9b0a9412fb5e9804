"""Netif: one interface, a driver bound to a stack under an inherent configuration.

Knows the order of attaching and of letting go, the actions, and what is abrupt. Refuses to know what is in a frame,
what the stack is, and how the driver moves bytes: it meets them only as `netif.link` says. Public methods take the
gate; `failed` and what is in `Frames` are called under it. What an interface is, which addresses it has
and how it obtains them stand in `identity`, `addresses` and `obtaining`.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

from netif import mac as macs
from netif.arguments import Arguments, configuration
from netif.bare import BareStack
from netif.closing import aclose_all, close_all
from netif.config import Address, DriverIfconfig, Flags, IpInfo, NetifConfig
from netif.errors import DriverAttachFailed, IfNotReady, InitFailed, InvalidParams
from netif.events import DriverFailed, Event, GotIp, LinkDown, LinkUp, NetifDown, NetifUp
from netif.lifecycle import Action, Cause, DhcpStatus, Held, State
from netif.link import LinkCaps, NetStack, Runtime, StackInterface
from netif.obtaining import Obtaining
from netif.push import bind, close_handle, plain
from netif.registry import Registry, registry_of

logger = logging.getLogger(__name__)

LINGER = 1.0  # seconds that connections have to end in order before they are reset
LARGEST_PACKET = 65535  # bytes; what the stack asks a port for
GARP_INTERVAL = 60.0  # seconds, as esp_netif's


class Netif(Obtaining):
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
        dhcp: bool = False,
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
                dhcp=dhcp or None,
            )
            made = config is None
            config = configuration(stack, config, given)
        except BaseException:
            close_handle(driver)
            raise
        super().__init__(self, config)
        self._wants_finished = False
        self._was_up = False  # before the power failed
        try:
            if stack is not None:
                with Held(stack.runtime):
                    self.join(registry_of(stack))
            if driver is not None:
                self.attach(driver)
                if made and self.flags & Flags.AUTOUP:
                    self.connected()  # AUTOUP alone begins no DHCP
        except BaseException:
            if self.handle is None:
                close_handle(driver)
            self.close(0)
            raise

    def join(self, registry: Registry) -> None:
        """Be listed there, and no longer where it was listed before."""
        registry.add(self)
        if self.registry is not None and self.registry is not registry:
            self.registry.remove(self)
        self.registry = registry

    def attach(self, handle: object = None) -> None:
        """Take `handle` (or the configuration's), call its `post_attach(netif, handle)`, start. Also in the place of a
        driver that has failed, or was stopped: that one is closed."""
        self._require("attach", State.NEW, State.ATTACHED)
        handle = self.driver_config.handle if handle is None else handle
        if handle is None:
            raise InvalidParams(f"{self!r} has no driver: give attach() a handle, such as Tap('tap0')")
        if self._state is State.ATTACHED:
            self._replace(handle)
        self._do(Action.ATTACH)
        self.handle = handle
        post_attach = getattr(handle, "post_attach", None)
        if post_attach is not None:
            try:
                post_attach(self, handle)
            except Exception as error:
                if self._state is not State.ATTACHED:  # it got as far as starting
                    self.stop()
                self._do(Action.DETACH)
                self.handle = None
                raise DriverAttachFailed(f"post_attach of {handle!r} failed: {error}") from error
        self.start()

    def _replace(self, handle: object) -> None:
        """Let go of the driver that was there before `handle`."""
        if self.handle is not handle:
            close_handle(self.handle if self.driver is None else self.driver)
        self._do(Action.DETACH)

    def set_driver_config(self, config: DriverIfconfig) -> None:
        """As a `post_attach` does: before the start."""
        self._require("configure the driver of", State.NEW, State.ATTACHED)
        self.driver_config = config
        if config.handle is not None and self._state is State.ATTACHED:
            self.handle = config.handle

    # actions

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
                self._do(Action.START)
                self._set_filters(True)
                self._furnish()
                if self.flags & Flags.GARP:
                    interface.announce_every(GARP_INTERVAL)
                if self.flags & Flags.AUTOUP:
                    self._link_up()
                    self._serve()
            except BaseException:
                self._let_go(release=False)
                raise

    def _open(self, stack: NetStack, runtime: Runtime) -> None:
        if not (self.mac or self._claimed):
            shared = getattr(self.driver, "shared_wire", False)
            self._claimed = macs.claim(runtime, stack.name, self.if_key, wire_is_shared=shared)
        self.port = runtime.add(stack, self)
        hardware = self.mac or self._claimed
        want = LinkCaps(mac=hardware, mtu=self._own_mtu, gso_max=LARGEST_PACKET, tx_checksum=True, rx_checksum=True)
        self.caps = granted = self.driver.open(plain(want) if self._wants_finished else want, self.port)
        if granted.mtu < self.config.base.mtu:
            logger.warning("%s: the wire takes %d bytes of the mtu %d", self.if_key, granted.mtu, self.mtu)
        if self.config.base.mac and not granted.mac:
            raise InvalidParams(f"mac: {self.if_key} is a {granted.medium.value} link, which has none; leave it out")
        self.mac = granted.mac
        self.mtu = self._own_mtu = self._widest = granted.mtu

    def connected(self) -> None:
        """The wire is plugged in, and DHCP begins where it is flagged. Does nothing of it twice."""
        with Held(self.runtime):
            if self._state is not State.UP:
                self._require("connect", State.STARTED)
                self._link_up()
            self._dhcp_connected()

    def disconnected(self) -> None:
        """The link is taken down: connections wait, until LostIp, for it to come back. A lease is given back
        unless it is to be restored. Does nothing if the link is down."""
        with Held(self.runtime):
            self._stop_client(Action.DISCONNECTED, release=not self.dhcpc_config.restore)
            self._link_down()

    def stop(self) -> None:
        """Leave the stack; connections are reset, a lease is given back unless it is to be restored. The driver stays
        open, for another `start`."""
        with Held(self.runtime):
            if self._state not in (State.CLOSING, State.CLOSED):
                self._require("stop", State.STARTED, State.UP)
                self._let_go(release=not self.dhcpc_config.restore)

    # what is abrupt

    def unplug(self) -> None:
        """The cable is pulled: no frame passes from here on, and nobody is told. Connections and a lease are kept for
        when it comes back, until LostIp."""
        with Held(self.runtime):
            self._require("unplug", State.STARTED, State.UP)
            if self._dhcpc is not None and self.is_up:
                self._dhcpc.link_down()
            self._link_down()

    def replug(self) -> None:
        """The cable is back; whether a lease is good still is asked for anew."""
        self.connected()

    def power_off(self) -> None:
        """The power fails: no FIN, RST or DHCPRELEASE. Connections end at once, with ENETDOWN."""
        with Held(self.runtime):
            if self._state in (State.STARTED, State.UP):
                self._was_up = self.is_up
                self._cut_off()

    def reboot(self) -> None:
        """Power off, if it is on, and start anew with the link as it was then; a lease is asked for again
        (INIT-REBOOT)."""
        self.power_off()
        was_up, self._was_up = self._was_up, False
        self.start()
        if was_up:
            self.connected()

    def failed(self, error: OSError) -> None:
        """From the runtime: the driver is dead. Its connections end with ENETDOWN."""
        if self.interface is None:
            return
        logger.warning("%s: the driver failed: %s", self.if_key, error)
        self._cut_off()
        self._publish(DriverFailed(self, error))

    def _cut_off(self) -> None:
        if self.interface is not None:
            self._drop_frames()
            self.interface.link_down()
            self._let_go(release=False)

    # up, down and away

    def _link_up(self) -> None:
        assert self.interface is not None
        assert self.caps is not None
        self._do(Action.CONNECTED)
        input_fn = self.config.stack.input_fn
        self._pass_frames(type(self.interface).input if input_fn is StackInterface.input else input_fn)
        self.interface.link_up(self.caps)
        if self.reachability is not None:
            self._watch()
        self._publish(LinkUp(self))
        self._publish(NetifUp(self))
        if self._dhcpc is not None:
            self._dhcpc.link_up()
        elif self._info or not self._awaits_address():
            self._apply(always=True)
        if not (self.flags & Flags.DHCP_CLIENT and self._dhcpc_status is not DhcpStatus.STOPPED):
            self._choose(Cause.STARTED)

    def _link_down(self) -> None:
        if self._state is State.UP:
            assert self.interface is not None
            self._do(Action.DISCONNECTED)
            self.interface.link_down()
            self._link_is_down()
            self._miss()

    def _link_is_down(self) -> None:
        """What follows when frames no longer pass."""
        self._drop_frames()
        if self._happened(LinkUp) is not None:
            self._publish(LinkDown(self))
            self._publish(NetifDown(self))
        self._choose(Cause.STOPPED)

    def _let_go(self, *, release: bool) -> None:
        """Undo `start`: abort what is left, send that, forget the link, give the port back."""
        interface, stack, runtime = self.interface, self.stack, self.runtime
        if interface is None or stack is None or runtime is None:
            return
        if self._state in (State.STARTED, State.UP):
            self._do(Action.STOP)
        with ExitStack() as steps:  # last in, first out; each is taken, whatever the one before raised
            steps.callback(self._forget_interface, stack)
            steps.callback(runtime.remove, self)
            steps.callback(lambda: stack.flush(runtime.now()))
            steps.callback(interface.detach)
            steps.callback(self._dhcp_stopped, release=release)

    def _forget_interface(self, stack: NetStack) -> None:
        self._set_filters(False)
        self.interface = self.port = self.caps = None
        self._link_is_down()
        if self._held:
            self._lost()
        if isinstance(stack, BareStack):
            stack.close()
        else:
            stack.runtime.touch(stack)

    def _may_come(self, event_type: type[Event]) -> None:
        """Raise if waiting for `event_type` would be in vain."""
        if self._state is State.CLOSED:
            raise IfNotReady(f"{self!r} is closed: no {event_type.__name__} will come")
        if event_type is GotIp and not self._info and not self._awaits_address():
            raise IfNotReady(self._missing_address())

    # the end

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
            self._do(Action.CLOSE)
        return True

    def end_close(self) -> None:
        """Gate held."""
        with ExitStack() as steps:
            steps.callback(self._forget)
            steps.callback(close_handle, self.handle if self.driver is None else self.driver)
            steps.callback(self._let_go, release=True)

    def _forget(self) -> None:
        self._do(Action.END)
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
