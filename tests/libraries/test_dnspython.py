"""dnspython: its resolvers, and a server made of its messages, over UDP and TCP."""

from __future__ import annotations

import asyncio
import socketserver
import struct

import dns.asyncquery
import dns.asyncresolver
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

ADDRESSES = {"10.0.0.80", "10.0.0.81"}
LONG = [f'"{n:03}{"x" * 200}"' for n in range(30)]  # as TXT they need TCP


def answer(wire, room):
    asked = dns.message.from_wire(wire)
    reply = dns.message.make_response(asked)
    name, kind = asked.question[0].name, asked.question[0].rdtype
    text = name.to_text()
    if text == "web.test." and kind == dns.rdatatype.A:
        reply.answer = [dns.rrset.from_text(name, 60, "IN", "A", "10.0.0.80", "10.0.0.81")]
    elif text == "long.test." and kind == dns.rdatatype.TXT:
        reply.answer = [dns.rrset.from_text(name, 60, "IN", "TXT", *LONG)]
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    sent = reply.to_wire(max_size=65535)
    if len(sent) > room:
        reply.answer = []
        reply.flags |= dns.flags.TC
        sent = reply.to_wire()
    return sent


class OverUdp(socketserver.BaseRequestHandler):
    def handle(self):
        wire, sock = self.request
        sock.sendto(answer(wire, 1232), self.client_address)


class OverTcp(socketserver.StreamRequestHandler):
    def handle(self):
        while size := self.rfile.read(2):
            sent = answer(self.rfile.read(*struct.unpack("!H", size)), 65535)
            self.wfile.write(struct.pack("!H", len(sent)) + sent)


@pytest.fixture
def served(scene):
    with scene.on(scene.server):
        servers = socketserver.UDPServer(("", 53), OverUdp), socketserver.ThreadingTCPServer(("", 53), OverTcp)
    over_udp, over_tcp = (scene.serving(lambda s=each: s.serve_forever(0.05), each.shutdown) for each in servers)
    with servers[0], servers[1], over_udp, over_tcp:
        yield scene


def of(kind, scene):
    made = kind(configure=False)
    made.nameservers, made.lifetime = [scene.server.ip], 60
    return made


def test_the_resolver(served):
    with served.on(served.client):
        resolver = of(dns.resolver.Resolver, served)
        assert {each.address for each in resolver.resolve("web.test")} == ADDRESSES
        assert len(list(resolver.resolve("long.test", "TXT"))) == len(LONG)  # truncated, and asked again by TCP
        with pytest.raises(dns.resolver.NXDOMAIN):
            resolver.resolve("nobody.test")


def test_the_resolver_of_asyncio(served):
    async def main():
        with served.on(served.client):
            resolver = of(dns.asyncresolver.Resolver, served)
            found, long = await asyncio.gather(resolver.resolve("web.test"), resolver.resolve("long.test", "TXT"))
            assert {each.address for each in found} == ADDRESSES
            assert len(list(long)) == len(LONG)

    served.lan.run(main())


def test_queries_one_at_a_time(served):
    with served.on(served.client):
        asked = dns.message.make_query("web.test", "A")
        for ask in (dns.query.udp, dns.query.tcp):
            for _ in range(20):
                try:
                    assert len(ask(asked, served.server.ip, timeout=5).answer[0]) == 2
                    break
                except dns.exception.Timeout:
                    assert ask is dns.query.udp  # a datagram is lost


def test_nobody_answers(virtual):
    with virtual.on(virtual.client):
        resolver = of(dns.resolver.Resolver, virtual)
        resolver.nameservers, resolver.lifetime = ["10.0.0.99"], 20
        before = virtual.lan.now()
        with pytest.raises(dns.resolver.LifetimeTimeout):
            resolver.resolve("web.test")
        assert 19 <= virtual.lan.now() - before <= 22
