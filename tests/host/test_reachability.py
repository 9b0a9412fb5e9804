"""Who reaches whom: each recipe on each driver, from each vantage, in and out, as the table on the page says.

A scene is made once: the commands are the page's, our server is `netif http_server` in the machine's namespace, and all
vantages try at the same time. Then a host in this process goes out from the same wire, with an address by DHCP where
there is a server. What is reached is a page compared byte for byte, and a ping.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from ipaddress import IPv4Address
from pathlib import Path

import attrs
import pytest

from components.host import recipe as recipes
from components.host.checks.facts import look
from components.host.checks.finding import Severity
from components.host.doctor import examine
from components.http_pages import characters
from components.ping import ping
from components.wires import open_wire
from netif import Netif, Stack, ThreadedRuntime
from netif.events import GotIp
from netif.wire.ethernet import parse_mac
from tests.components.commands import Running
from tests.host import reachability
from tests.host.namespaces import Namespace
from tests.host.reachability import BOTH, MAPPED, NONE, OUT, TABLE, VANTAGES, pictures, rendered
from tests.host.world import (
    LAN_IP,
    MACHINE_IP,
    MAPPED_PORT,
    NET_IP,
    PAGE,
    PUBLIC_IP,
    REQUEST,
    KernelServer,
    World,
    answering,
    fetch,
    pings,
    read_page,
    world,
)

pytestmark = pytest.mark.host

PATIENCE = {True: 5.0, False: 0.6}  # seconds for what is expected to come, and for what is not
THIS, LAN, INTERNET = VANTAGES
MAC = "02:00:00:00:00:50"
BIG = b"".join(characters(0, 30_000))


@attrs.frozen
class Scene:
    """One recipe on one wire."""

    recipe: str
    picture: str  # whose commands make it
    wire: str
    ip: str  # ours, when it is not leased
    gateway: str
    machine_ip: str  # by which we know this machine
    before: str = ""  # what else is done to the machine

    @property
    def id(self) -> str:
        return f"{self.recipe} {self.wire}"

    @property
    def has_mac(self) -> bool:
        """One of our own, that is."""
        return not self.wire.endswith((":lo", "shared_mac"))

    @property
    def address(self) -> str:
        return self.ip.partition("/")[0]

    @property
    def is_leased_from_others(self) -> bool:
        """Behind `nat` a port is mapped to one address, whoever has it."""
        return TABLE[self.recipe].dhcp != "none" and self.recipe != "nat"

    @property
    def targets(self) -> dict[str, str]:
        """Whom our host calls, from where it is."""
        return {THIS: self.machine_ip, LAN: LAN_IP, INTERNET: NET_IP}

    def expects(self, vantage: str, *, inbound: bool) -> bool:
        cell = TABLE[self.recipe].cells[vantage]
        return cell == BOTH if inbound else cell != NONE


PRIVATE = {"ip": "192.168.5.100/24", "gateway": "192.168.5.1", "machine_ip": "192.168.5.1"}
PUBLIC = {"ip": "10.20.0.50/24", "gateway": "10.20.0.1", "machine_ip": MACHINE_IP}
SCENES = [
    Scene("isolated", "A TAP, isolated", "tap:tap0", **PRIVATE),
    Scene("bridge", "A TAP on a bridge with the card", "tap:tap0", **PUBLIC),
    Scene("forward", "A TAP, forwarded", "tap:tap0", **PUBLIC),
    Scene("nat", "A TAP behind NAT", "tap:tap0", **PRIVATE),
] + [
    scene
    for kind in ("packet", "pcap")
    for scene in (
        Scene("own card", "The machine's own card", f"{kind}:eth0", **PUBLIC),
        Scene("isolated", "A veth pair, isolated", f"{kind}:veth1", **PRIVATE),
        Scene("bridge", "A veth pair, one end on a bridge with the card", f"{kind}:veth1", **PUBLIC),
        Scene("forward", "A TAP, forwarded", f"{kind}:veth1", **PUBLIC),
        Scene("nat", "A veth pair behind NAT", f"{kind}:veth1", **PRIVATE),
        Scene("loopback", "The machine's loopback, or macOS's feth", f"{kind}:lo", **PRIVATE),
    )
]
OWN_BRIDGE = """
    ip link add br0 type bridge; ip link set br0 up; ip address flush dev eth0; ip link set eth0 master br0
    ip address add 10.20.0.2/24 dev br0; ip route add default via 10.20.0.1"""
SCENES += [
    Scene("own card", "The machine's own card", "packet:eth0,shared_mac", **PUBLIC),
    Scene("own card", "The machine's own card", "packet:br0", **PUBLIC, before=OWN_BRIDGE),
]
FAST = (  # each recipe once, each driver
    "isolated tap:tap0",
    "bridge tap:tap0",
    "forward packet:veth1",
    "nat packet:veth1",
    "own card pcap:eth0",
    "loopback packet:lo",
)
MARKED = [pytest.param(scene, marks=[pytest.mark.slow] * (scene.id not in FAST), id=scene.id) for scene in SCENES]


@pytest.fixture(scope="module")
def everybody(tmp_path_factory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize("scene", MARKED)
def test_who_reaches_whom_is_as_the_table_says(everybody, scene, tmp_path):
    with everybody.machine() as us, prepared(us, scene, tmp_path):
        assert faults(us, scene) == []
        with serving(us, scene):
            inbound = tried(everybody, us, scene)
        asked(us, scene)
        outbound = went_out(everybody, us, scene)
    assert {vantage: cell(*inbound[vantage], outbound[vantage]) for vantage in VANTAGES} == TABLE[scene.recipe].cells


@pytest.mark.slow
@pytest.mark.parametrize(
    "scene", [scene for scene in SCENES if scene.is_leased_from_others], ids=lambda scene: scene.id
)
def test_a_server_at_a_leased_address_is_reached_alike(everybody, scene, tmp_path):
    with everybody.machine() as us, prepared(us, scene, tmp_path), serving(us, scene, leased=True) as address:
        inbound = tried(everybody, us, attrs.evolve(scene, ip=address))
    cells = TABLE[scene.recipe].cells
    assert inbound == {vantage: (cells[vantage] == BOTH, cells[vantage] == MAPPED) for vantage in VANTAGES}


@pytest.mark.slow
@pytest.mark.parametrize("scene", MARKED)
def test_commands_reach_the_same(everybody, scene, tmp_path):
    reached = {}
    with everybody.machine() as us, prepared(us, scene, tmp_path):
        server = KernelServer(us)
        try:
            for vantage, address in scene.targets.items():
                options = address_options(scene)
                patience = f"{PATIENCE[scene.expects(vantage, inbound=False)]:g}"  # proxy ARP takes its time
                words = ["ping", "-c", "1", "--interval", patience, "--timeout", patience]
                reached[vantage] = finished(us, scene, [*words, *options, address])[0] == 0
                if reached[vantage]:
                    assert PAGE.decode() in finished(us, scene, ["http_get", f"http://{address}/", *options])[1]
        finally:
            server.close()
    assert reached == {vantage: scene.expects(vantage, inbound=False) for vantage in VANTAGES}


def cell(directly: bool, mapped: bool, out: bool) -> str:
    """In the table's words; what the table has no word for is told as it is."""
    words = {
        (True, False, True): BOTH,
        (False, True, True): MAPPED,
        (False, False, True): OUT,
        (False, False, False): NONE,
    }
    return words.get((directly, mapped, out), f"directly in: {directly}, by a mapped port: {mapped}, out: {out}")


@contextmanager
def prepared(us: Namespace, scene: Scene, directory: Path) -> Iterator[None]:
    """The picture's recipe is up: by its command, which has told before what it does, as the page has it."""
    picture = pictures()[scene.picture]
    us.exec("sh", "-ec", scene.before)
    words = shlex.split(picture.recipe)
    if device_of(scene) == "veth1" and "tap0" in words:  # no picture of its own
        words[words.index("tap0")] = "veth0"
        words += ["--veth", "veth1"]
    elif words:
        assert perform(us, [*words, "--dry-run"], directory) == [*picture.plain]
    else:
        us.exec("sh", "-ec", "\n".join(picture.plain))
    if words:
        us.exec(sys.executable, "-m", *words, "--state", str(directory))
    try:
        yield
    finally:
        if words:
            perform(us, [*words[:4], "--down"], directory)


def perform(us: Namespace, words: Sequence[str], directory: Path) -> list[str]:
    """`netif host RECIPE ...` in this process; what it says, in the page's words for what differs between machines."""
    _netif, _host, recipe, *rest = words
    said: list[str] = []
    known = import_module(f"components.host.{recipe}").RECIPE
    us.call(lambda: recipes.perform(known, [*rest, "--state", str(directory)], say=said.append))
    text = "\n".join(said).replace(str(directory), "/run/netif")
    text = re.sub(r"user \d+$", "user 1000", text, flags=re.MULTILINE)
    return re.sub(r"address (\w\w:){5}\w\w", "address 52:54:00:12:34:56", text).splitlines()


def faults(us: Namespace, scene: Scene) -> list[str]:
    """What the doctor finds: a recipe leaves nothing to mend."""
    kind, device, ip = scene.wire.partition(":")[0], device_of(scene), IPv4Address(scene.address)
    found = us.call(lambda: examine(look(kind=kind, device=device, ip=ip)))
    return [finding.line() for finding in found if finding.severity is not Severity.HINT]


@contextmanager
def serving(us: Namespace, scene: Scene, *, leased: bool = False) -> Iterator[str]:
    """The picture's own `netif http_server` line, at work; its address, which is as written, or `leased`."""
    server = started(us, scene, ["http_server", *address_options(scene, leased=leased)])
    try:
        said = server.until(r"http://[\d.]+:80/")
        settle(us, scene)
        yield re.findall(r"http://([\d.]+):80/", said)[0]
    finally:
        server.end()


def address_options(scene: Scene, *, leased: bool = False) -> list[str]:
    """What the picture's http_server says of its wire and its address."""
    words = typed(scene, "netif http_server")[2:]
    return [*words[:2], "--dhcp"] if leased else words


def typed(scene: Scene, *starts: str) -> list[str]:
    """One of the picture's lines, for this scene's wire."""
    words = pictures()[scene.picture].line(*starts).split()
    return [re.sub(r"^(?:packet|tap):\w+$", scene.wire, word) for word in words]


def started(us: Namespace, scene: Scene, words: Sequence[str]) -> Running:
    """A command of ours in the machine's namespace."""
    mac = {"NETIF_MAC": MAC} if scene.has_mac else {}
    return Running(us.command(sys.executable, "-u", "-m", "netif", *words), **mac)


def asked(us: Namespace, scene: Scene) -> None:
    """The picture's other line, a client's, gets its answer: the page that is on the Internet, or a ping."""
    status, out, err = finished(us, scene, typed(scene, "netif http_get", "netif ping")[1:])
    assert status == 0, err
    assert PAGE.decode() in out or "1 received" in out


def finished(us: Namespace, scene: Scene, words: Sequence[str]) -> tuple[int, str, str]:
    """(status, stdout, stderr) of a command."""
    client = started(us, scene, words)
    try:
        return client.finish()
    finally:
        client.end()


def settle(us: Namespace, scene: Scene) -> None:
    if scene.wire.startswith("tap:"):  # whose carrier comes with its program
        us.settle(device_of(scene))


def device_of(scene: Scene) -> str:
    return scene.wire.partition(":")[2].partition(",")[0]


def tried(everybody: World, us: Namespace, scene: Scene) -> dict[str, tuple[bool, bool]]:
    """Who gets in: by our address, and by a mapped port."""
    everybody.map_port(MACHINE_IP if scene.recipe == "nat" else scene.address, 8080 if scene.recipe == "nat" else 80)
    from_this, from_lan = (scene.expects(vantage, inbound=True) for vantage in (THIS, LAN))
    mapped = {vantage: TABLE[scene.recipe].cells[vantage] == MAPPED for vantage in VANTAGES}
    tries = (
        lambda: gets_in(us, scene.address, from_this),
        lambda: gets_in(everybody.lan, scene.address, from_lan),
        lambda: fetch(everybody.lan, MACHINE_IP, MAPPED_PORT, PATIENCE[mapped[LAN]]) == BIG,
        lambda: fetch(everybody.net, PUBLIC_IP, MAPPED_PORT, PATIENCE[mapped[INTERNET]]) == BIG,
        lambda: len(answering(everybody.lan, MACHINE_IP)) == 1,
    )
    this, lan, lan_mapped, net_mapped, one_answers = at_once(tries)
    assert one_answers, "a LAN host that asks for the machine is not answered once"
    return {THIS: (this, False), LAN: (lan, lan_mapped), INTERNET: (False, net_mapped)}


def gets_in(ns: Namespace, address: str, expected: bool) -> bool:
    """TCP and ping are of one mind."""
    patience = PATIENCE[expected]
    answers, fetched = at_once([lambda: pings(ns, address, patience), lambda: fetch(ns, address, 80, patience) == BIG])
    assert answers == fetched, f"from {ns.name} to {address}: ping {answers}, HTTP {fetched}"
    return fetched


def went_out(everybody: World, us: Namespace, scene: Scene) -> dict[str, bool]:
    """Whom a host on the wire reaches, at an address of its own or leased."""
    server = KernelServer(us)
    try:
        with on_the_wire(us, scene) as host:
            patience = {vantage: PATIENCE[scene.expects(vantage, inbound=False)] for vantage in VANTAGES}
            tries = [lambda v=vantage: gets_out(host, scene.targets[v], patience[v]) for vantage in VANTAGES]
            return dict(zip(VANTAGES, at_once(tries), strict=True))
    finally:
        server.close()


@contextmanager
def on_the_wire(us: Namespace, scene: Scene) -> Iterator[Stack]:
    with ExitStack() as closing:
        runtime = ThreadedRuntime(strict=True)
        closing.callback(runtime.close)
        closing.callback(runtime.check)
        driver = us.call(lambda: open_wire(scene.wire))
        host = closing.enter_context(Stack("host", runtime=runtime))
        leased = TABLE[scene.recipe].dhcp != "none"
        how = {"dhcp": True} if leased else {"ip": scene.ip, "gateway": scene.gateway}
        mac = parse_mac(MAC) if scene.has_mac else None
        netif = closing.enter_context(Netif(driver, stack=host, mac=mac, **how))
        if leased:
            netif.wait_for(GotIp, timeout=10.0)
        settle(us, scene)
        yield host


def gets_out(host: Stack, address: str, patience: float) -> bool:
    answers, fetched = at_once(
        [
            lambda: bool(ping(host, address, count=1, interval=patience, timeout=patience, say=str).answers),
            lambda: fetched_by(host, address, patience) == PAGE,
        ]
    )
    assert answers == fetched, f"to {address}: ping {answers}, HTTP {fetched}"
    return fetched


def fetched_by(host: Stack, address: str, patience: float) -> bytes:
    try:
        with host.create_connection((address, 80), timeout=patience) as connection:
            connection.settimeout(5.0)
            connection.sendall(REQUEST)
            return read_page(connection)
    except OSError:
        return b""


def at_once(tries: Sequence[Callable[[], bool]]) -> list[bool]:
    with ThreadPoolExecutor(len(tries)) as pool:
        return list(pool.map(lambda fn: fn(), tries))


def test_every_picture_is_tried():
    assert {scene.picture for scene in SCENES} == set(pictures())


def test_the_page_has_the_table():
    assert rendered() in reachability.PAGE.read_text()
