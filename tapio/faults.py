"""The rules that may hold for one direction of a wire, and what of them makes sense together.

Knows which rules there are and how they are written; what they do to a frame is the lane's (`lane`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypedDict, cast

import attrs

from tapio.amounts import Amount, Burst, Chance, Depth, Length, bits_per_second, burst, chance, depth, seconds
from tapio.filter import Filter, filter_of
from tapio.outage import Flap, Partition, flap, partition

Amounts: TypeAlias = Amount | Chance | tuple[Amount, Amount]  # of both directions, or (out, in)
Distribution: TypeAlias = Literal["uniform", "normal", "pareto"]
DISTRIBUTIONS = ("uniform", "normal", "pareto")
NEVER = Chance()
QUEUE = Depth(frames=1000)  # in front of a rate, unless told otherwise


class Words(TypedDict, total=False):
    """The rules as a person writes them; each holds for both directions, or is a pair (out, in)."""

    loss: Amounts  # share of the frames that is lost, "5%"; with correlation "5% 25%"
    burst: Any  # Gilbert-Elliott loss: "p r [lost in the bad state [in the good one]]", "1% 30%"; 4: the loss, in fours
    partition: Any  # nothing passes from 5 s to 8 s after the opening: "5s-8s"
    flap: Any  # up for 10 s and then down for 2, in turn: "10s 2s"
    delay: Amounts  # seconds, "20ms"
    jitter: Amounts  # seconds around the delay, "5ms"
    distribution: Any  # of the jitter: "uniform" (+- jitter), "normal" (its deviation), "pareto" (later, by that mean)
    keep_order: Any  # True: jitter lets no frame overtake another
    reorder: Amounts  # share of the frames that go without the delay, and so ahead of others, "1%"
    gap: Any  # only every so manieth frame may go ahead
    duplicate: Amounts  # share of the frames that comes twice
    corrupt: Amounts  # share of the frames of which one bit is turned, after their checksums were finished
    rate: Amounts  # bits a second, "10Mbit"
    queue: Any  # in front of the rate: frames (100) or bytes ("64KiB"); what finds it full is lost
    ecn: Any  # mark what finds so much in that queue and speaks ECN: frames or bytes
    only: Any  # the frames that are harmed, as a filter: "tcp", "udp port 53"; delay, rate and queue hold for all
    match: Any  # the frames that all this is for, as a filter: the others pass by untouched


def frames(name: str, amount: object) -> Filter | None:
    """The filter that says which frames; all frames need none."""
    if amount is None or isinstance(amount, Filter):
        return amount
    try:
        return filter_of(str(amount)) if amount != "frame" else None
    except ValueError as error:
        raise ValueError(f"{name}: {amount!r} is no kind of frame: {error}") from None


_PARSERS: dict[str, Callable[[str, object], object]] = {
    **dict.fromkeys(("loss", "reorder", "duplicate", "corrupt"), chance),
    **dict.fromkeys(("delay", "jitter"), seconds),
    **dict.fromkeys(("queue", "ecn"), depth),
    **dict.fromkeys(("only", "match"), frames),
    "burst": burst,
    "rate": bits_per_second,
    "partition": partition,
    "flap": flap,
}


@attrs.frozen(kw_only=True)
class Faults:
    """What befalls the frames of one direction: the values of `Words`, parsed (`of` parses them)."""

    loss: Chance = NEVER
    burst: Burst | None = None
    partition: Partition | None = None
    flap: Flap | None = None
    delay: float = 0.0
    jitter: float = 0.0
    distribution: Distribution = "uniform"
    keep_order: bool = False
    reorder: Chance = NEVER
    gap: int = 1
    duplicate: Chance = NEVER
    corrupt: Chance = NEVER
    rate: float = 0.0
    queue: Depth | None = None
    ecn: Depth | None = None
    only: Filter | None = None
    match: Filter | None = None

    @classmethod
    def of(cls, **words: Any) -> Faults:
        for name, parse in _PARSERS.items():
            if name in words:
                words[name] = parse(name, words[name])
        if isinstance(length := words.get("burst"), Length):
            words |= {"burst": length.of(words.get("loss", NEVER)), "loss": NEVER}
        return cls(**words)

    def __attrs_post_init__(self) -> None:
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(f"distribution: {self.distribution!r} is none of {', '.join(DISTRIBUTIONS)}")
        if not isinstance(self.gap, int) or self.gap < 1:
            raise ValueError(f"gap: {self.gap!r} is no count of frames: 5 lets every fifth go ahead")
        if not isinstance(self.keep_order, bool):
            raise ValueError(f"keep_order: {self.keep_order!r} is neither True nor False")
        if self.reorder and not (self.delay or self.jitter):
            raise ValueError("reorder: nothing can be overtaken where nothing is delayed: give a delay too")
        if not self.rate and (self.queue or self.ecn):
            raise ValueError(f"{'queue' if self.queue else 'ecn'}: nothing queues without a rate: give one too")

    def __bool__(self) -> bool:
        harmful = self.loss or self.burst or self.duplicate or self.corrupt
        return bool(harmful or self.partition or self.flap or self.delay or self.jitter or self.rate)


Side: TypeAlias = Mapping[str, Any] | Faults | None  # the rules of one direction, written or parsed


def both(tx: Side, rx: Side, common: Words) -> tuple[Faults, Faults]:
    """The faults of both directions: `common` holds for each, `tx` and `rx` win over it."""
    shared = cast("dict[str, Any]", common)
    for name in shared:
        if name not in Words.__annotations__:
            raise TypeError(f"there is no fault {name!r}: {', '.join(Words.__annotations__)}")
    return _one("tx", tx, 0, shared), _one("rx", rx, 1, shared)


def _one(side: str, own: Side, index: int, common: dict[str, Any]) -> Faults:
    if isinstance(own, Faults):
        return own
    words = {name: _of_pair(name, amounts, index) for name, amounts in common.items()}
    for name, amount in (own or {}).items():
        if name not in Words.__annotations__:
            raise ValueError(f"{side}: there is no fault {name!r}: {', '.join(Words.__annotations__)}")
        words[name] = amount
    return Faults.of(**words)


def _of_pair(name: str, amounts: Any, index: int) -> Any:
    if not isinstance(amounts, (tuple, list)):
        return amounts
    if len(amounts) != 2:
        raise ValueError(f"{name}: {amounts!r}: write one amount for both directions, or a pair (out, in)")
    return amounts[index]
