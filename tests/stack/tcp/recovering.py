"""Conversations about loss: SACK agreed on, segments of 1000 bytes, a round trip of 100 ms."""

from __future__ import annotations

MSS = 1000


def opened(tcp, rtt=0.1, stamped=False, **settings):
    """Established by the peer, whose ACK of our SYN-ACK took `rtt`."""
    stamp = ",TS val 1 ecr 0" if stamped else ",nop,nop"
    tcp.begin(**{"sack": True, "timestamps": stamped, **settings})
    tcp.listens()
    tcp.gets(f"S 0:0(0) win 65535 <mss {MSS + 12 * stamped},sackOK{stamp}>")
    tcp.said = 1
    tcp.stamps = [tcp.all_sent()[-1].options.timestamp]
    tcp.after(rtt)
    if stamped:
        tcp.gets(f". 1:1(0) ack 1 <nop,nop,TS val 2 ecr {tcp.stamps[0][0]}>")
    else:
        tcp.gets(". 1:1(0) ack 1")
    tcp.accepts()
    tcp.sent.clear()
    return tcp.connection


def sack(tcp, *edges, ack=1, stamp=None, window=65535, flush=True):
    """An ACK of the peer with these blocks, in bytes of our stream; with `stamp` as the timestamp that it echoes."""
    text = " ".join(f"{start + tcp.iss}:{end + tcp.iss}" for start, end in edges)
    options = [f"nop,nop,sack {text}"] if edges else []
    if stamp is not None:
        options.insert(0, f"nop,nop,TS val 3 ecr {stamp}")
    said = f" <{','.join(options)}>" if options else ""
    tcp.gets(f". 1:1(0) ack {ack} win {window}{said}", flush=flush)


def starts(tcp):
    """(seq, length) of all that was sent since."""
    return [(one.seq, one.length) for one in tcp.all_sent()]
