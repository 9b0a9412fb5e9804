"""One random run: two hosts, a bad wire, two applications with manners drawn by dice, and how it must end.

    python -m tests.sim.runs SEED        runs it, and says what it was and what happened

Bytes are exact, or both sides have a clean error; then no connection, no timer, no memory is left. RTOs, fast
retransmits, loss probes, closed windows, aborts and wrapped numbers are counted, so that a corpus proves it met them.
"""

from __future__ import annotations

import collections
import errno
import itertools
import math
import random
import sys
from collections.abc import Callable
from typing import Any

import attrs

from stack.tcp.config import TcpConfig
from stack.tcp.states import SYN_SENT
from tests.sim.world import SERVICE, Witness, World

WRAP = 1 << 32
CLEAN = {errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNREFUSED}
ARP_TRIES = 5.0  # seconds
EVENTS = ("rto", "fast retransmit", "tlp", "zero window", "abort", "wrap")


@attrs.define
class Manners:
    """What one application does: `text` is what it says; then how it ends."""

    text: bytes
    ending: str  # "shutdown": FIN, and reads on; "close"; "abort" and "linger 0" when `at` bytes were written or read
    at: int
    write_most: int
    read_most: int
    nap_odds: float  # of not reading for a while, after a read
    nap: float  # seconds at most


@attrs.define
class Plan:
    rules: dict[str, Any]
    settings: tuple[dict[str, Any], dict[str, Any]]
    mtu: int
    offload: bool
    stamps_wrap_in: tuple[int, int] | None  # milliseconds
    manners: tuple[Manners, Manners]

    @property
    def peaceful(self) -> bool:
        """Nothing may break it off: no application, no user timeout, no SYN cookie whose answer was overtaken."""
        orderly = all(each.ending == "shutdown" for each in self.manners)
        patient = not any(settings.get("user_timeout") for settings in self.settings)
        return orderly and patient and self.settings[1].get("syn_cookies") != "always"


def plan(seed: int) -> Plan:
    dice = random.Random(f"run {seed}")
    mtu = dice.choices([296, 576, 1500, 9000, 65000], [1, 4, 30, 3, 1])[0]
    wraps = dice.random() < 0.35
    sizes = _sizes(dice, mtu)
    settings = tuple(_settings(dice, max(sizes) if wraps else 0) for _ in range(2))
    manners = _manners(dice, sizes[0]), _manners(dice, sizes[1])
    if any(each.ending != "shutdown" for each in manners) or any(each["user_timeout"] for each in settings):
        for each in settings:  # a lost RST is found out by whoever has something to send
            each.update(keepalive=True, keepalive_idle=20.0, keepalive_interval=5.0, keepalive_count=12)
    return Plan(
        rules=_rules(dice),
        settings=(settings[0], settings[1]),
        mtu=mtu,
        offload=dice.random() < 0.6,
        stamps_wrap_in=(dice.randrange(1, 3000), dice.randrange(1, 3000)) if dice.random() < 0.2 else None,
        manners=manners,
    )


def _sizes(dice: random.Random, mtu: int) -> tuple[int, int]:
    """Of what each side says: in all a median of 256 KiB."""
    size = int((320 << 10) * math.exp(dice.gauss(0, 1.1)))
    size = min(size, 3 << 20 if mtu >= 1500 else 100 * mtu)
    kind = dice.random()
    share = 0.0 if kind < 0.4 else 1.0 if kind < 0.5 else dice.random()
    back = int(size * share)
    return (size - back, back) if dice.random() < 0.6 else (back, size - back)


def _rules(dice: random.Random) -> dict[str, Any]:
    """Each direction has its own faults, most of them one or two."""

    def side() -> dict[str, Any]:
        rules: dict[str, Any] = {"delay": dice.choice([0, 0.0002, 0.005, 0.03, 0.15])}
        if dice.random() < 0.6:
            rules["loss"] = dice.choice([0.001, 0.01, 0.05, 0.1, 0.2 * dice.random()])
        if dice.random() < 0.15:
            rules["burst"] = f"{dice.choice([0.1, 0.5, 2])}% {dice.choice([20, 40])}%"
        if dice.random() < 0.2:
            rules["duplicate"] = dice.choice([0.01, 0.2])
        if dice.random() < 0.2:
            rules["corrupt"] = dice.choice([0.002, 0.02])
        if rules["delay"] and dice.random() < 0.3:
            rules["reorder"] = dice.choice([0.01, 0.1, 0.4])
        if dice.random() < 0.25:
            rules["jitter"] = rules["delay"] * dice.choice([0.05, 0.3, 1.0])
            rules["distribution"] = dice.choice(["uniform", "normal", "pareto"])
            rules["keep_order"] = dice.random() < 0.5
        if dice.random() < 0.5:
            rules["rate"] = dice.choice([5e5, 1e6, 1e7, 1e8])
            rules["queue"] = dice.choice([5, 20, 100, "16kB", "64KiB", "1MB"])
            if dice.random() < 0.3:
                rules["ecn"] = dice.choice([3, 10])
        return rules

    return {"tx": {**side(), "only": "tcp"}, "rx": {**side(), "only": "tcp"}}


def _settings(dice: random.Random, wraps_within: int) -> dict[str, Any]:
    known = {field.name for field in attrs.fields(TcpConfig)}
    iss = None
    if wraps_within:
        iss = WRAP - 1 - dice.randrange(0, wraps_within + 1)
    settings = {
        "timestamps": dice.random() < 0.75,
        "window_scale": dice.random() < 0.8,
        "sack": dice.random() < 0.75,
        "nodelay": dice.random() < 0.4,
        "delayed_ack": dice.choice([0.0, 0.04, 0.04, 0.2]),
        "congestion": dice.choice(["cubic", "cubic", "newreno"]),
        "ecn": dice.choice(["off", "accept", "on", "on"]),
        "syn_cookies": dice.choice(["auto"] * 19 + ["always"]),
        "initial_window": dice.choice([1, 4, 10, 10]),
        "min_rto": dice.choice([0.2, 0.2, 0.05, 1.0]),
        "user_timeout": 8.0 if dice.random() < 0.02 else None,
        "initial_sequence": iss,
        "syn_retries": 20,
        "synack_retries": 20,
        "retries": 40,
        "orphan_retries": 40,
        "max_rto": 20.0,
    }
    for buffer in ("receive_buffer", "send_buffer"):
        size = dice.choice([None, None, 700, 5000, 20_000, 100_000, 1 << 20])
        if size is not None:
            settings[buffer] = size
    return {name: value for name, value in settings.items() if name in known}


def _manners(dice: random.Random, size: int) -> Manners:
    return Manners(
        text=dice.randbytes(size),
        ending=dice.choices(["shutdown", "close", "abort", "linger 0"], [76, 7, 12, 5])[0],
        at=dice.randrange(0, 2 * size + 2000),
        write_most=dice.choice([1000, 20_000, 1 << 20]),
        read_most=dice.choice([500, 5000, 70_000, 1 << 20]),
        nap_odds=dice.choice([0, 0, 0.03, 0.3]),
        nap=dice.choice([0.02, 0.5, 5.0]),
    )


class Talker:
    """One application: writes its text, reads what comes (not always at once), and ends as its manners say."""

    def __init__(self, connection: Any, manners: Manners, dice: random.Random) -> None:
        self.connection, self.manners, self.dice = connection, manners, dice
        self.peer: Any = None  # the other end, once there is one
        self.written = 0
        self.got = bytearray()
        self.wake_at: float | None = None
        self.error: OSError | None = None
        self.finished = self.saw_end = self.gone = self.closed_window = self.aborted = False

    def act(self, now: float) -> None:
        if self.gone:
            return
        try:
            self._act(now)
        except OSError as error:
            self.error = error
            self._leave(None)

    def _act(self, now: float) -> None:
        manners, connection = self.manners, self.connection
        if manners.ending in ("abort", "linger 0") and self.written + len(self.got) >= manners.at:
            self._leave(manners.ending)
            return
        if connection.state is SYN_SENT:
            return
        if not self.finished:
            self._write()
        if self.wake_at is None or self.wake_at <= now:
            if self.wake_at is not None:
                self.wake_at = None
                self.closed_window = self.closed_window or self.peer.info().snd_wnd == 0
            self._read(now)
        if self.finished and (self.saw_end or manners.ending == "close"):
            self._leave("close")
        elif connection.error is not None and not connection.readable():
            connection.raise_error()

    def _write(self) -> None:
        text = memoryview(self.manners.text)
        while self.written < len(text):
            accepted = self.connection.write(
                text[self.written : self.written + self.dice.randrange(1, self.manners.write_most)]
            )
            if not accepted:
                return
            self.written += accepted
        self.finished = True
        if self.manners.ending != "close":
            self.connection.shutdown_write()

    def _read(self, now: float) -> None:
        manners = self.manners
        while (
            not self.saw_end and (data := self.connection.read(self.dice.randrange(1, manners.read_most))) is not None
        ):
            self.got += data
            self.saw_end = not data
            if manners.nap_odds and self.dice.random() < manners.nap_odds:
                self.wake_at = now + manners.nap * self.dice.random()
                return

    def _leave(self, how: str | None) -> None:
        self.gone = True
        self.wake_at = None
        self.aborted = how in ("abort", "linger 0") and self.connection.state.value != "CLOSED"
        if how == "abort":
            self.connection.abort()
        self.connection.close(0 if how == "linger 0" else None)


def run(
    seed: int,
    *,
    also: dict[str, Any] | None = None,
    witness: Witness | None = None,
    settled: Callable[[World], None] = lambda _: None,
) -> collections.Counter[str]:
    """How often each of EVENTS happened (0 or 1), and "bytes". Raises AssertionError if it did not end as it must.

    `also`: settings of TcpConfig for both sides. `witness` is told of every frame, `settled` when all that happens at
    one time has happened.
    """
    chosen = plan(seed)
    configs = tuple(TcpConfig(**{**settings, **(also or {})}) for settings in chosen.settings)
    wire: dict[str, Any] = {"mtu": chosen.mtu, "offload": chosen.offload, **chosen.rules}
    world = World(seed, tcp=(configs[0], configs[1]), witness=witness, **wire)
    if chosen.stamps_wrap_in is not None:
        for host, ahead in zip(world.hosts, chosen.stamps_wrap_in, strict=True):
            host.stack.tcp.numbers.timestamp_base = WRAP - int(1000 * world.time) - ahead
    started = world.time
    talkers = _converse(world, chosen, settled)
    _judge(chosen, talkers)
    world.apps = []
    stamps_wrapped = chosen.stamps_wrap_in is not None and (world.time - started) * 1000 > max(chosen.stamps_wrap_in)
    world.rest()
    _nothing_left(world)
    return _events(chosen, talkers, stamps_wrapped)


class Acceptor:
    """Gives the one connection that comes to its application. A client that broke off at once may never be seen."""

    wake_at: float | None = None

    def __init__(self, world: World, listener: Any, make: Any) -> None:
        self.world, self.listener, self.make = world, listener, make

    def act(self, now: float) -> None:
        connection = self.listener.accept()
        if connection is not None:
            self.world.apps[1] = self.make(connection)


def _converse(world: World, chosen: Plan, settled: Callable[[World], None]) -> list[Talker]:
    """The application that connected, and the other one if there ever was a connection for it; both are done."""
    dice = world.dice("applications")
    tcp = world.right.stack.tcp
    listener = tcp.listen((None, SERVICE), 16, tcp.config)
    client = world.left.stack.tcp.connect(None, (world.right.address, SERVICE), world.left.stack.tcp.config)
    left = Talker(client, chosen.manners[0], dice)

    def accepted(connection: Any) -> Talker:
        right = Talker(connection, chosen.manners[1], dice)
        left.peer, right.peer = connection, client
        return right

    world.apps = [left, Acceptor(world, listener, accepted)]
    started = world.time
    world.settle()
    while not _over(world):
        assert world.step(), f"stalled: {_infos(world)}"
        settled(world)
        assert world.time - started < 40_000, f"it goes on for ever: {_infos(world)}"
    listener.close()
    return [talker for talker in world.apps if isinstance(talker, Talker)]


def _over(world: World) -> bool:
    left, right = world.apps
    if isinstance(right, Talker):
        return bool(left.gone and right.gone)
    return bool(left.gone) and not any(host.stack.tcp.connections for host in world.hosts)


def _infos(world: World) -> list[Any]:
    return [app.connection.info() for app in world.apps if isinstance(app, Talker)]


def _judge(chosen: Plan, talkers: list[Talker]) -> None:
    """Bytes exact, or a clean error on both sides."""
    assert len(talkers) == 2 or (not chosen.peaceful and not talkers[0].got)
    for talker, other in itertools.permutations(talkers, 2):
        said = memoryview(other.manners.text)[: other.written]
        assert talker.got == said[: len(talker.got)], "wrong bytes"
        if talker.saw_end:
            assert len(talker.got) == len(said), f"the end came after {len(talker.got)} of {len(said)} bytes"
        assert talker.error is None or talker.error.errno in CLEAN, talker.error
    if chosen.peaceful:
        for talker in talkers:
            assert talker.error is None, f"nobody broke it off, and yet: {talker.error}"
            assert talker.saw_end
            assert talker.written == len(talker.manners.text)


def _nothing_left(world: World) -> None:
    patience = world.time + ARP_TRIES
    while any(host.stack.pending() for host in world.hosts) and world.time < patience:
        world.step()  # a neighbour may just have been asked for
    for host in world.hosts:
        stack = host.stack
        tcp = stack.tcp
        assert tcp.memory.held == 0, f"{tcp.memory.held} bytes charged to nobody"
        assert tcp.orphans == tcp.half_open == 0
        assert not tcp.ports.held, tcp.ports.held
        assert not stack.pending(), "a timer is left"
        assert not stack.stats["internal_error"]
    while world.step():
        pass  # neighbours are forgotten
    for host in world.hosts:
        assert host.stack.timers.size() == 0


def _events(chosen: Plan, talkers: list[Talker], stamps_wrapped: bool) -> collections.Counter[str]:
    ends = [talker.connection for talker in talkers]
    infos = [end.info() for end in ends]
    wrapped = [
        settings.get("initial_sequence") is not None and settings["initial_sequence"] + talker.written >= WRAP
        for settings, talker in zip(chosen.settings, talkers, strict=False)
    ]
    probes = [getattr(end.recovery, "tlps", 0) for end in ends]
    happened = {
        "rto": any(info.timeouts for info in infos),
        "fast retransmit": any(info.fast_retransmits for info in infos),
        "tlp": any(probes),
        "zero window": any(talker.closed_window for talker in talkers),
        "abort": any(talker.aborted for talker in talkers),
        "wrap": any(wrapped) or stamps_wrapped,
        "error": any(talker.error for talker in talkers),
    }
    counts = collections.Counter({event: int(bool(did)) for event, did in happened.items()})
    counts["bytes"] = sum(len(talker.got) for talker in talkers)
    counts["runs"] = 1
    return counts


def replay(seed: int) -> str:
    """The command that runs it again."""
    return f"python -m tests.sim.runs {seed}"


if __name__ == "__main__":
    for word in sys.argv[1:]:
        chosen = plan(int(word))
        for manners in chosen.manners:
            print(attrs.evolve(manners, text=b""), len(manners.text))
        print(attrs.evolve(chosen, manners=()))
        print(dict(run(int(word))))
