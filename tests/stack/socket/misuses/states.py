"""Calls with wrong addresses, and in the wrong state."""

from __future__ import annotations

import socket as k
import struct
from typing import Any

from tests.stack.socket.misuses.net import HERE, SOL, Net, then

ADDRESSES = {
    "bind to a string": lambda net: net.stream().bind(HERE),
    "bind to a list": lambda net: net.stream().bind([HERE, 0]),
    "bind to one": lambda net: net.stream().bind((HERE,)),
    "bind to three": lambda net: net.stream().bind((HERE, 1, 2)),
    "bind to None": lambda net: net.stream().bind((None, 0)),
    "bind to a number": lambda net: net.stream().bind((5, 0)),
    "bind to bytes": lambda net: then(s := net.stream(), s.bind((b"127.0.0.1", 0)), s.getsockname()[0]),
    "bind to a bytearray": lambda net: then(
        s := net.stream(), s.bind((bytearray(b"127.0.0.1"), 0)), s.getsockname()[0]
    ),
    "bind to a zero byte": lambda net: net.stream().bind(("127.0.0.1\0", 0)),
    "bind to a foreign address": lambda net: net.stream().bind(("203.0.113.1", 0)),
    "bind to a port above": lambda net: net.stream().bind((HERE, 65536)),
    "bind to a port below": lambda net: net.stream().bind((HERE, -1)),
    "bind to a port far above": lambda net: net.stream().bind((HERE, 1 << 40)),
    "bind to a port of letters": lambda net: net.stream().bind((HERE, "80")),
    "bind to a fraction of a port": lambda net: net.stream().bind((HERE, 80.0)),
    "bind to an address of IPv6": lambda net: net.stream().bind(("::1", 0)),
    "bind a datagram socket to a foreign address": lambda net: net.datagram().bind(("203.0.113.1", 0)),
    "bind twice": lambda net: then(s := net.stream(), s.bind((HERE, 0)), s.bind((HERE, 0))),
    "bind a datagram socket twice": lambda net: then(s := net.bound(), s.bind((HERE, 0))),
    "bind where another is": lambda net: net.stream().bind(net.listener().getsockname()),
    "bind a datagram socket where another is": lambda net: net.datagram().bind(net.bound().getsockname()),
    "bind after listen": lambda net: net.listener().bind((HERE, 0)),
    "bind after connect": lambda net: net.pair()[0].bind((HERE, 0)),
    "bind a listener's port with SO_REUSEADDR": lambda net: then(
        s := net.stream(), s.setsockopt(SOL, k.SO_REUSEADDR, 1), s.bind(net.listener().getsockname())
    ),
    "connect to a string": lambda net: net.stream().connect("here"),
    "connect to one": lambda net: net.stream().connect((HERE,)),
    "connect to three": lambda net: net.stream().connect((HERE, 1, 2)),
    "connect to a port above": lambda net: net.stream().connect((HERE, 70000)),
    "connect to a port of letters": lambda net: net.stream().connect((HERE, "http")),
    "connect to a host of numbers": lambda net: net.stream().connect((5, 80)),
    "connect to port 0": lambda net: net.stream().connect((HERE, 0)),
    "connect a datagram socket to port 0": lambda net: net.datagram().connect((HERE, 0)),
    "connect to nobody": lambda net: net.stream().connect(net.closed_port()),
    "connect_ex to nobody": lambda net: net.stream().connect_ex(net.closed_port()),
    "connect_ex to a string": lambda net: net.stream().connect_ex("here"),
    "connect_ex to a port above": lambda net: net.stream().connect_ex((HERE, 70000)),
    "connect to everybody": lambda net: net.stream().connect(("255.255.255.255", 80)),
    "connect to a group": lambda net: net.stream().connect(("224.0.0.1", 80)),
    "connect a datagram socket to everybody": lambda net: net.datagram().connect(("255.255.255.255", 80)),
    "connect to an address of IPv6": lambda net: net.stream().connect(("::1", 80)),
    "connect to an empty host": lambda net: net.stream().connect_ex(("", net.closed_port()[1])),
    "send to a port above": lambda net: net.bound().sendto(b"x", (HERE, 70000)),
    "send to port 0": lambda net: net.bound().sendto(b"x", (HERE, 0)),
    "send to everybody": lambda net: net.datagram().sendto(b"x", ("255.255.255.255", 9)),
    "send to one": lambda net: net.bound().sendto(b"x", (HERE,)),
    "send to a host of numbers": lambda net: net.bound().sendto(b"x", (5, 9)),
}

STATES = {
    "recv before connect": lambda net: net.stream().recv(1),
    "recv before bind": lambda net: then(s := net.datagram(), s.settimeout(0), s.recv(1)),
    "send before connect": lambda net: net.stream().send(b"x"),
    "sendall before connect": lambda net: net.stream().sendall(b"x"),
    "send datagrams to nobody": lambda net: net.bound().send(b"x"),
    "sendmsg datagrams to nobody": lambda net: net.bound().sendmsg([b"x"]),
    "sendto of a stream before connect": lambda net: net.stream().sendto(b"x", (HERE, 9)),
    "sendto of a connected stream": lambda net: net.pair()[0].sendto(b"x", (HERE, 9)),
    "sendto of a connected datagram socket": lambda net: then(
        s := net.bound(),
        r := net.bound(),
        q := net.bound(),
        s.connect(r.getsockname()),
        s.sendto(b"x", q.getsockname()),
        q.recv(9),
    ),
    "getpeername before connect": lambda net: net.stream().getpeername(),
    "getpeername of a listener": lambda net: net.listener().getpeername(),
    "getpeername of a datagram socket": lambda net: net.bound().getpeername(),
    "getsockname before bind": lambda net: net.stream().getsockname(),
    "shutdown before connect": lambda net: net.stream().shutdown(k.SHUT_WR),
    "shutdown of a datagram socket": lambda net: net.bound().shutdown(k.SHUT_RDWR),
    "shutdown twice": lambda net: then(c := net.pair()[0], c.shutdown(k.SHUT_WR), c.shutdown(k.SHUT_WR)),
    "shutdown both, then again": lambda net: then(c := net.pair()[0], c.shutdown(2), c.shutdown(2)),
    "send after shutdown": lambda net: then(c := net.pair()[0], c.shutdown(k.SHUT_WR), c.send(b"x")),
    "send datagrams after shutdown": lambda net: then(
        s := net.bound(), s.connect(net.bound().getsockname()), s.shutdown(k.SHUT_WR), s.send(b"x")
    ),
    "recv after shutdown": lambda net: then(c := net.pair()[0], c.shutdown(k.SHUT_RD), c.recv(1)),
    "recv datagrams after shutdown": lambda net: then(
        s := net.bound(), s.connect(net.bound().getsockname()), s.shutdown(k.SHUT_RD), s.recv(1)
    ),
    "accept without listen": lambda net: net.stream().accept(),
    "accept on what is connected": lambda net: net.pair()[0].accept(),
    "accept datagrams": lambda net: net.bound().accept(),
    "listen on what is connected": lambda net: net.pair()[0].listen(),
    "listen for datagrams": lambda net: net.bound().listen(),
    "listen twice": lambda net: net.listener().listen(5),
    "listen with a backlog below zero": lambda net: net.stream().listen(-1),
    "listen, then connect": lambda net: net.listener().connect((HERE, 1)),
    "listen, then send": lambda net: net.listener().send(b"x"),
    "listen, then recv": lambda net: net.listener().recv(1),
    "listen where another does": lambda net: then(
        a := net.listener(),
        b := net.stream(),
        b.setsockopt(SOL, k.SO_REUSEADDR, 1),
        b.bind(a.getsockname()),
        b.listen(),
    ),
    "shut a listener's writing, then look": lambda net: then(
        s := net.listener(), s.shutdown(1), s.getsockopt(SOL, k.SO_ACCEPTCONN)
    ),
    "shut a listener, then accept": lambda net: then(s := net.listener(), s.shutdown(2), s.accept()),
    "shut a listener, then listen": lambda net: then(s := net.listener(), s.shutdown(2), s.listen()),
    "connect twice": lambda net: then(c := net.pair()[0], c.connect(c.getpeername())),
    "connect_ex twice": lambda net: then(c := net.pair()[0], c.connect_ex(c.getpeername())),
    "connect what was accepted": lambda net: net.pair()[1].connect((HERE, 1)),
    "fail to connect, then again": lambda net: then(
        s := net.stream(), p := net.closed_port(), s.connect_ex(p), s.connect_ex(p)
    ),
    "fail to connect, then listen": lambda net: then(s := net.stream(), s.connect_ex(net.closed_port()), s.listen()),
    "fail to connect, then who": lambda net: then(s := net.stream(), s.connect_ex(net.closed_port()), s.getpeername()),
    "fail to connect, then recv": lambda net: then(s := net.stream(), s.connect_ex(net.closed_port()), s.recv(1)),
    "accept in no time": lambda net: then(s := net.listener(), s.settimeout(0), s.accept()),
    "accept in little time": lambda net: then(s := net.listener(), s.settimeout(0.01), s.accept()),
    "recv in no time": lambda net: then(s := net.pair()[0], s.settimeout(0), s.recv(1)),
    "recv in little time": lambda net: then(s := net.pair()[0], s.settimeout(0.01), s.recv(1)),
    "recvfrom in no time": lambda net: then(s := net.bound(), s.settimeout(0), s.recvfrom(1)),
    "recvfrom in little time": lambda net: then(s := net.bound(), s.settimeout(0.01), s.recvfrom(1)),
    "recv of a datagram socket whose peer is nobody": lambda net: then(
        s := net.bound(), s.connect(net.closed_port()), s.send(b"x"), s.recv(1)
    ),
    "a datagram too long": lambda net: net.bound().sendto(bytes(65508), (HERE, 9)),
    "close twice": lambda net: then(s := net.stream(), s.close(), s.close()),
    "enter what is closed": lambda net: then(s := net.closed(), s.__enter__() is s),
    "detach, then use": lambda net: then(s := net.stream(), net.module.close(s.detach()), s.getsockname()),
    "a stream's recvfrom": lambda net: then(p := net.pair(), p[1].send(b"abc"), p[0].recvfrom(9)),
    "a stream's recvmsg": lambda net: then(p := net.pair(), p[1].send(b"abc"), p[0].recvmsg(9, 99)),
    "recv of nothing, before data": lambda net: net.pair()[0].recv(0),
    "recv of nothing, unconnected": lambda net: net.stream().recv(0),
    "recv into nothing, before data": lambda net: net.pair()[0].recv_into(bytearray()),
    "recvmsg into nothing": lambda net: then(p := net.pair(), p[1].send(b"x"), p[0].recvmsg_into([])),
    "a short buffer for a datagram": lambda net: then(
        s := net.bound(), s.connect(s.getsockname()), s.send(b"hello"), s.recv(2)
    ),
    "an empty datagram": lambda net: then(s := net.bound(), s.connect(s.getsockname()), s.send(b""), s.recv(2)),
    "reading what a peer has reset": lambda net: then(
        p := net.pair(), p[1].setsockopt(SOL, k.SO_LINGER, struct.pack("ii", 1, 0)), p[1].close(), p[0].recv(1)
    ),
    "writing what a peer has reset": lambda net: then(
        p := net.pair(), p[1].setsockopt(SOL, k.SO_LINGER, struct.pack("ii", 1, 0)), p[1].close(), p[0].send(b"x")
    ),
}


def patient(net: Net) -> Any:
    made = net.stream()
    made.settimeout(5)
    return made


PATIENT = {  # with a time-out, where Linux has a state that its blocking connect does not leave behind
    "connect in time, then again": lambda net: then(
        s := patient(net), a := net.listener().getsockname(), s.connect(a), s.connect(a), s.connect_ex(a)
    ),
    "fail to connect in time, then again": lambda net: then(
        s := patient(net), p := net.closed_port(), s.connect_ex(p), s.connect_ex(p)
    ),
    "fail to connect in time, then again and again": lambda net: then(
        s := patient(net), p := net.closed_port(), s.connect_ex(p), s.connect_ex(p), s.connect_ex(p)
    ),
    "fail to connect in time, then listen": lambda net: then(
        s := patient(net), s.connect_ex(net.closed_port()), s.listen()
    ),
    "fail to connect in time, then recv": lambda net: then(
        s := patient(net), s.connect_ex(net.closed_port()), s.recv(1)
    ),
    "fail to connect in time, then send": lambda net: then(
        s := patient(net), s.connect_ex(net.closed_port()), s.send(b"x")
    ),
    "fail to connect in time, then who": lambda net: then(
        s := patient(net), s.connect_ex(net.closed_port()), s.getpeername()
    ),
    "fail to connect in time, then shutdown": lambda net: then(
        s := patient(net), s.connect_ex(net.closed_port()), s.shutdown(2)
    ),
}
