"""How fast a TCP could be over a path, at best and roughly: what the goodput table's shares are of.

The link's rate less headers; with random loss no more than RFC 5348 3.1's equation (Padhye et al.) for a Reno
sender. A transfer begins with a handshake and slow start from ten segments (RFC 6928). CUBIC may do better than
the equation where the path is long and the loss is rare, so that a share may pass 1.
"""

from __future__ import annotations

from math import sqrt

SEGMENT = 1448  # bytes of payload behind IP, TCP and timestamps
FRAME = 1514  # bytes on the wire for it
INITIAL = 10 * SEGMENT
MIN_RTO = 0.2  # seconds, on top of the round trip


def steady(rate: float, rtt: float, loss: float) -> float:
    """Payload bytes a second once it is in its stride."""
    link = rate / 8 * SEGMENT / FRAME
    if not loss:
        return link
    round_trip = rtt + FRAME * 8 / rate
    timeouts = (round_trip + MIN_RTO) * 3 * sqrt(3 * loss / 8) * loss * (1 + 32 * loss * loss)
    return min(link, SEGMENT / (round_trip * sqrt(2 * loss / 3) + timeouts))


def duration(size: int, rate: float, rtt: float, loss: float) -> float:
    """Seconds from the SYN until the last byte of `size` has arrived."""
    speed = steady(rate, rtt, loss)
    taken, window, left = 1.5 * rtt, INITIAL, float(size)  # the handshake, and the way of the last byte
    while window / (rtt + FRAME * 8 / rate) < speed and left > window:
        left -= window
        window *= 2
        taken += rtt
    return taken + left / speed
