"""Stand-ins for everything around a Netif: a runtime without threads, a driver, and a foreign stack of a few lines."""

from __future__ import annotations

import random
from collections import deque

import pytest

from netif.config import DriverIfconfig, InherentConfig, IpInfo, NetifConfig, NetstackConfig
from netif.link import LinkCaps, Medium


class Waiter:
    def __init__(self):
        self.woken = False

    def wake(self):
        self.woken = True


class Port:
    def __init__(self, runtime, netif):
        self.runtime, self.netif, self.dice = runtime, netif, random.Random(1)
        self.dead = False

    def now(self):
        return self.runtime.now()

    def readable(self):
        self.runtime.ready.append(self)

    poke = readable

    def writable(self):
        self.netif.writable()

    def watch(self):
        pass

    def call_at(self, when):
        pass

    def failed(self, error):
        if not self.dead:
            self.dead = True
            self.runtime.broken.append((self, error))


class Alarm:
    def __init__(self, runtime, ring):
        self.runtime, self.ring, self.when = runtime, ring, None

    @property
    def armed(self):
        return self.when is not None

    def at(self, when):
        assert self.runtime.held
        self.when = when

    def cancel(self):
        self.when = None


class Runtime:
    """Turns when the gate is left. `wait` lets scripted things happen, then answers whether the waiter was woken."""

    strict = True
    shared = False

    def __init__(self):
        self.held = False
        self.clock = 0.0
        self.stacks, self.ports, self.touched = {}, {}, {}
        self.ready, self.broken, self.posted = deque(), deque(), deque()
        self.alarms = []
        self.script = deque()  # what happens, one thing a wait, with the gate free
        self.log = []

    def now(self):
        return self.clock

    def add_stack(self, stack):
        self.stacks[stack] = None

    def remove_stack(self, stack):
        self.stacks.pop(stack, None)

    def add(self, stack, netif):
        assert self.held
        self.log.append(("add", netif.if_key))
        self.ports[netif] = Port(self, netif)
        return self.ports[netif]

    def remove(self, netif):
        assert self.held
        if self.ports.pop(netif, None):
            self.log.append(("remove", netif.if_key))

    def touch(self, stack):
        self.touched[stack] = None

    def poke(self):
        pass

    def enter(self):
        if self.held:
            raise RuntimeError("the gate is held")
        self.held = True

    def leave(self):
        assert self.held
        while self.ready:
            port = self.ready.popleft()
            while (got := port.netif.driver.receive()) is not None:
                port.netif.receive(*got)
        while self.broken:
            port, error = self.broken.popleft()
            port.netif.failed(error)
        touched, self.touched = self.touched, {}
        for stack in touched:
            stack.flush(self.clock)
        self.held = False
        while self.posted:
            self.posted.popleft()()

    def turn(self):
        self.enter()
        self.leave()

    def waiter(self, operation, endpoint):
        return Waiter()

    def wait(self, waiter, deadline):
        while not waiter.woken:
            if not self.script:
                assert deadline is not None, "it would sleep for ever"
                self.clock = deadline
                return False
            self.leave()
            self.script.popleft()()
            self.enter()
        return True

    wait_closing = wait

    async def wait_async(self, waiter, deadline):
        return self.wait(waiter, deadline)

    def ended(self):
        return None

    def alarm(self, ring):
        self.alarms.append(Alarm(self, ring))
        return self.alarms[-1]

    def pass_time(self, seconds):
        """Alarms ring on the way."""
        until = self.clock + seconds
        while due := [alarm for alarm in self.alarms if alarm.armed and alarm.when <= until]:
            alarm = min(due, key=lambda alarm: alarm.when)
            self.clock = alarm.when
            self.enter()
            alarm.when = None
            alarm.ring()
            self.leave()
        self.clock = until

    def post(self, handler):
        self.posted.append(handler)

    def dice(self, name):
        return random.Random(name)

    def check(self):
        pass

    def close(self):
        pass


class Driver:
    """Hands out what is in `inbox`, keeps what is sent."""

    def __init__(self, *, mtu=1500, medium=Medium.ETHERNET, offload=True, log=None):
        self.mtu, self.medium, self.offload = mtu, medium, offload
        self.log = [] if log is None else log
        self.inbox, self.sent = deque(), []
        self.room = 1 << 30
        self.error = None  # raised by the next open or transmit
        self.port = None
        self.closed = 0

    def open(self, want, port):
        self.log.append("open")
        if self.error:
            raise self.error
        self.want, self.port = want, port
        mtu = min(self.mtu, want.mtu)
        return LinkCaps(
            mac=want.mac if self.medium is Medium.ETHERNET else b"",
            mtu=mtu,
            medium=self.medium,
            gso_max=want.gso_max if self.offload else mtu,
            tx_checksum=self.offload and want.tx_checksum,
        )

    def fileno(self):
        return None

    def wants_write(self):
        return False

    def receive(self):
        return self.inbox.popleft() if self.inbox else None

    def transmit(self, buffers, offload):
        if self.error:
            raise self.error
        if len(self.sent) >= self.room:
            return False
        self.sent.append((buffers, offload))
        return True

    def advance(self, now):
        pass

    def close(self):
        if not self.closed:
            self.log.append("close")
        self.closed += 1


class ForeignInterface:
    def __init__(self, stack, netif):
        self.stack, self.netif = stack, netif
        self.log = stack.log
        self.addresses = None
        self.caps = None
        self.finishing = None
        self.connections = 0

    def link_up(self, caps):
        self.caps = caps
        self.log.append("link_up")

    def link_down(self):
        self.log.append("link_down")

    def set_addresses(self, ip, mask, gateway):
        self.addresses = (ip, mask, gateway)
        self.log.append("addresses")

    def withdraw(self):
        self.addresses = None
        self.log.append("withdraw")

    def set_dns(self, servers, search):
        self.dns = (servers, search)

    def set_routes(self, routes):
        self.log.append(("routes", routes))

    def announce_every(self, seconds):
        self.log.append(("announce", seconds))

    def set_mac(self, mac):
        self.log.append(("mac", mac))

    def set_mtu(self, mtu):
        self.log.append(("mtu", mtu))

    def input(self, frame, offload):
        self.stack.seen.append((frame, offload))

    def writable(self):
        self.log.append("writable")

    def finish(self, waiter):
        self.log.append("finish")
        self.finishing = waiter
        return self.connections > 0

    def detach(self):
        self.log.append("detach")


class ForeignStack:
    """Somebody else's stack: it answers every frame with its reverse, and knows nothing of TCP/IP."""

    def __init__(self, runtime, name="foreign"):
        self.name, self.runtime = name, runtime
        self.log, self.seen, self.interfaces = [], [], []
        self.default = None
        self.netstack_config = NetstackConfig(init_fn=self.init, input_fn=self.echo)
        runtime.add_stack(self)

    def init(self, netif):
        assert not self.runtime.held, "init_fn is called with the gate free"
        self.log.append("init")
        self.interfaces.append(ForeignInterface(self, netif))
        return self.interfaces[-1]

    def echo(self, interface, frame, offload=None):
        self.seen.append((frame, offload))
        interface.netif.transmit((bytes(frame)[::-1],), None)

    def receive(self, interface, frame, offload):
        self.echo(interface, frame, offload)

    def advance(self, now):
        pass

    def next_deadline(self):
        return None

    def pending(self):
        return False

    def flush(self, now):
        pass

    def abort_current(self, error):
        pass

    def set_default(self, interface, dns):
        assert self.runtime.held
        self.default = (interface, dns)

    def close(self, linger=1.0):
        self.runtime.remove_stack(self)


@pytest.fixture
def runtime():
    return Runtime()


@pytest.fixture
def stack(runtime):
    return ForeignStack(runtime)


@pytest.fixture
def new_stack(runtime):
    return lambda name="foreign": ForeignStack(runtime, name)


@pytest.fixture
def new_driver():
    return Driver


@pytest.fixture
def new_config(stack):
    """A NetifConfig on the foreign stack."""

    def make(if_key="TEST", handle=None, transmit=None, ip="10.0.0.1/24", on=None, **base):
        info = IpInfo(ip) if isinstance(ip, str) else ip
        return NetifConfig(
            base=InherentConfig(if_key=if_key, ip_info=info, **base),
            driver=DriverIfconfig(handle, transmit),
            stack=(on or stack).netstack_config,
        )

    return make


@pytest.fixture
def heard():
    """Subscribe it to anything: it keeps the names of the events."""

    class Heard(list):
        def __call__(self, event):
            self.append(type(event).__name__)

    return Heard()
