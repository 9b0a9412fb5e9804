"""One way to join a network for every command: what example_connect is in ESP-IDF.

From a Choice (flags.py) to a stack on a wire (wires) with an address (addressing.py), with faults and captures
around it as asked, and its orderly end. Without a wire a second host in this process plays the other part. Everything
that a person got wrong leaves here as a Complaint; what the application does with its sockets is its own affair.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Any, TextIO

import attrs

from components.addressing import await_address, set_servers
from components.command import Complaint, GaveUp, explain, interrupt
from components.flags import Choice
from components.rights import become, load_all, user_named
from components.wires.kinds import Addresses, Kind
from components.wires.plan import Plan, filtered, opened, planned

if TYPE_CHECKING:
    from netif.link import Driver, Runtime
    from netif.netif import Netif
    from stack import Stack

DEFAULT_IP = IPv4Interface("192.168.5.100/24")  # tapif_io's
DEFAULT_GATEWAY = IPv4Address("192.168.5.1")
HOSTNAME = "host"  # without --hostname
LINGER = 1.0  # seconds for the connections' orderly end
AGAIN = 0.1  # seconds; a signal that finds the main thread on its way to sleep is seen only when it wakes

log = logging.getLogger(__name__)


@attrs.frozen
class Joined:
    """A host on the wire that was chosen."""

    stack: Stack
    netif: Netif
    ip: str
    peer: str | None  # whom HOST means when it is left out: the gateway, or the other host in this process
    other: Joined | None = None  # the other host in this process, on a pair

    def target(self, host: str | None) -> str:
        """The address of HOST; names are looked up."""
        if host == "":
            raise Complaint("which HOST? An empty name names none")
        if host is not None:
            from stack.socket import gethostbyname

            try:
                return gethostbyname(host, stack=self.stack)
            except OSError as error:
                raise Complaint(f"{host}: {explain(error)}") from None
        if self.peer is None:
            raise Complaint("which HOST? Without --gw there is none to take when it is left out")
        return self.peer

    def play(self, part: Callable[[], Any]) -> None:
        """Run `part` beside the command; that it ends with the network is no failure."""

        def playing() -> None:
            try:
                part()
            except (OSError, Complaint) as error:
                log.debug("%s: %s", self.stack.name, explain(error))

        self.stack.runtime.spawn(playing)


@contextmanager
def connect(choice: Choice, *, says: TextIO | None = None) -> Iterator[Joined]:
    """Join the network; leave it in order at the end. `says`: where a sample's lines go, if not to stdout."""
    set_up_logging(choice.verbose, says or sys.stdout)
    plan = filtered(planned(choice.wire), choice.bpf)
    with told_once(), ExitStack() as closing:
        runtime = make_runtime(choice, closing)
        if plan.kind.name == "pair":
            drop_rights(choice)
            yield join_pair(choice, plan, runtime, closing)
            return
        choice = with_addresses(choice, plan.kind)
        driver = opened_by(choice, plan)
        closing.callback(driver.close)  # even if Ctrl-C comes before it has a netif
        here = join(choice, plan, driver, runtime, closing)
        with ends_with(here.netif, plan):
            yield here


def opened_by(choice: Choice, plan: Plan) -> Driver:
    """The driver; from here on the process has the rights of `--user` alone, whose the files to come are."""
    if choice.user is not None:
        user_named(choice.user)  # before anything is opened
        if not plan.kind.takes_rights:
            drop_rights(choice)
            return opened(plan)
    driver = opened(plan)
    try:
        drop_rights(choice)
    except BaseException:
        driver.close()
        raise
    return driver


def drop_rights(choice: Choice) -> None:
    if choice.user is not None:
        user = user_named(choice.user)
        load_all()
        become(user)


@contextmanager
def ends_with(netif: Netif, plan: Plan) -> Iterator[None]:
    """A wire that dies takes the command along: nothing will ever come over it again."""
    from netif.events import DriverFailed

    failures: list[OSError] = []
    ended = threading.Event()

    def failed(event: DriverFailed) -> None:
        failures.append(event.error)
        interrupt()
        while not ended.wait(AGAIN):
            interrupt()

    netif.subscribe(DriverFailed, failed)
    try:
        yield
    except (KeyboardInterrupt, OSError):
        if not failures:
            raise
        raise GaveUp(plan.tell(failures[0])) from None
    finally:
        ended.set()
        netif.unsubscribe(DriverFailed, failed)


def with_addresses(choice: Choice, kind: Kind) -> Choice:
    """The addresses that this kind of wire has by default."""
    if choice.dhcp:
        return choice
    has_defaults = kind.addresses is Addresses.TAP
    if choice.ip is None and kind.addresses is Addresses.DHCP:
        return attrs.evolve(choice, dhcp=True)
    if choice.ip is None and not has_defaults:
        said = f"on {kind.name}: every host says its own, such as --ip 10.0.0.1/24 and 10.0.0.2/24"
        raise Complaint(f"--ip is missing: {said}")
    address = choice.ip or DEFAULT_IP
    gateway = choice.gateway
    if gateway is None and has_defaults and DEFAULT_GATEWAY in address.network and address.ip != DEFAULT_GATEWAY:
        gateway = DEFAULT_GATEWAY
    elif gateway is not None and gateway not in address.network:
        raise Complaint(f"--gw: {gateway} is not in {address.network}, which is ours without --ip")
    return attrs.evolve(choice, ip=address, gateway=gateway)


def join(
    choice: Choice,
    plan: Plan,
    driver: Driver,
    runtime: Runtime,
    closing: ExitStack,
    *,
    peer: object = None,
    gives: bool = False,
) -> Joined:
    """A host on `driver`, with faults and captures as chosen, up and addressed; `closing` ends it in order. It serves
    DHCP if it `gives` addresses."""
    from netif.config import Flags
    from netif.errors import NetifError
    from netif.netif import Netif
    from stack import Stack

    stack = Stack(choice.hostname or HOSTNAME, runtime=runtime)
    closing.callback(stack.close)
    wrapped = faulty(driver, choice, runtime, closing)
    ip = str(choice.ip) if choice.ip else None
    gateway = str(choice.gateway) if choice.gateway else None
    try:
        how: dict[str, Any] = {"ip": ip, "gateway": gateway, "mac": choice.mac, "mtu": choice.mtu, "dhcp": choice.dhcp}
        flags = Flags.AUTOUP | (Flags.DHCP_SERVER if gives else 0)
        netif = Netif(wrapped, stack=stack, flags=flags, **how)
    except (OSError, ValueError, NetifError) as error:
        raise Complaint(plan.tell(error)) from error
    closing.callback(netif.close, linger=LINGER)
    if choice.mtu is not None and netif.mtu < choice.mtu:
        raise Complaint(f"--mtu: {choice.mtu} is more than {choice.wire} takes: {netif.mtu}")
    set_servers(netif, choice.dns)
    try:
        info = await_address(netif, choice)
    except TimeoutError as error:
        raise GaveUp(error) from None
    return Joined(stack, netif, str(info.ip), str(peer) if peer else str(info.gw) if int(info.gw) else None)


@contextmanager
def told_once() -> Iterator[None]:
    """The Netif warns of what it was not granted, and of a dead driver: here both end in a line of their own."""
    logger = logging.getLogger("netif.netif")

    def is_no_warning(record: logging.LogRecord) -> bool:
        return record.levelno != logging.WARNING

    logger.addFilter(is_no_warning)
    try:
        yield
    finally:
        logger.removeFilter(is_no_warning)


def join_pair(choice: Choice, plan: Plan, runtime: Runtime, closing: ExitStack) -> Joined:
    """Two hosts of this process, one wire; the other one has the gateway's address, and gives us ours by DHCP."""
    from tapio import pair

    placed = with_addresses(attrs.evolve(choice, dhcp=False), plan.kind)
    assert placed.ip is not None
    others = (address for address in placed.ip.network.hosts() if address != placed.ip.ip)
    other_ip = placed.gateway or next(others)
    ours, others_end = pair()
    try:
        wrapped = plan.wrap(ours)
    except (OSError, ValueError) as error:
        raise Complaint(plan.tell(error)) from error
    theirs = Choice(wire=choice.wire, ip=IPv4Interface(f"{other_ip}/{placed.ip.network.prefixlen}"), mtu=choice.mtu)
    other = join(theirs, plan, others_end, runtime, closing, gives=choice.dhcp)
    here = join(choice if choice.dhcp else placed, plan, wrapped, runtime, closing, peer=other_ip)
    return attrs.evolve(here, other=attrs.evolve(other, peer=here.ip))


def faulty(driver: Driver, choice: Choice, runtime: Runtime, closing: ExitStack) -> Driver:
    """`driver` with faults and captures as chosen. The captures are outermost: what they show is what the host sent
    and got, lost frames among the sent ones."""
    from tapio import PcapngWriter, Sniff, TextTrace, impair

    impaired = impair(driver, loss=choice.loss, delay=choice.delay)
    sinks: list[Any] = []
    if choice.pcapng is not None:
        try:
            writer = PcapngWriter(choice.pcapng, epoch=time.time() - runtime.now())
        except OSError as error:
            raise Complaint(f"--pcapng {choice.pcapng}: {explain(error)}") from error
        closing.callback(writer.close)
        sinks.append(writer)
    if choice.verbose > 1:
        sinks.append(TextTrace(sys.stderr))
    return Sniff(impaired, *sinks) if sinks else impaired


def make_runtime(choice: Choice, closing: ExitStack) -> Runtime:
    from components.headstart import HeadStart

    runtime = HeadStart(seed=choice.seed)
    closing.callback(runtime.close)
    return runtime


def set_up_logging(verbose: int, says: TextIO) -> None:
    """The samples' lines go to stdout, as the originals' do; what the link does goes to stderr, with -v."""
    samples = logging.getLogger("components")
    samples.setLevel(logging.INFO)
    samples.propagate = False
    samples.handlers[:] = [EspStyle(says)]
    rest = logging.getLogger()
    rest.setLevel(logging.INFO if verbose else logging.WARNING)
    rest.handlers[:] = [EspStyle(sys.stderr)]


class EspStyle(logging.StreamHandler[Any]):
    """Lines as ESP-IDF's log has them: `I (312) tcp_client: Successfully connected`."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter("%(levelname).1s (%(relativeCreated)d) %(tag)s: %(message)s"))

    def format(self, record: logging.LogRecord) -> str:
        record.tag = record.name.rpartition(".")[2]
        return super().format(record)
