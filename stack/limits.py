"""Every bound of a stack in one table. Whatever a peer or an application can make grow is named here.

Each field carries the name of the counter (in `stats`) that tells when the bound was met. Sizes are bytes, times
seconds, rates per second.
"""

from __future__ import annotations

from typing import Any

import attrs

from netif.value import Value

LITTLE = 16 << 10  # bytes of each buffer and queue while all sockets together hold too much


def bound(default: float, counter: str) -> Any:
    """A field whose `counter` counts what was refused because of it."""
    return attrs.field(default=default, metadata={"counter": counter}, validator=attrs.validators.ge(0))


@attrs.frozen(eq=False, repr=False, kw_only=True)
class Limits(Value):
    arp_entries: int = bound(1024, "arp_table_full")
    arp_queue_frames: int = bound(16, "arp_queue_full")  # waiting for one hop
    arp_queue_bytes: int = bound(64 << 10, "arp_queue_full")
    reassembly_datagrams: int = bound(64, "ip_reassembly_full")  # that are not complete yet
    reassembly_bytes: int = bound(4 << 20, "ip_reassembly_full")  # of all of them, with what a piece costs beside
    interface_queue_frames: int = bound(256, "interface_queue_full")
    interface_queue_bytes: int = bound(2 << 20, "interface_queue_full")
    flush_rounds: int = bound(8, "flush_deferred")  # to settle within one flush; the rest waits for the next turn
    icmp_errors: int = bound(1000, "icmp_error_rate")  # sent per second
    icmp_errors_per_host: int = bound(100, "icmp_error_rate")  # of them to one host
    udp_queue_bytes: int = bound(256 << 10, "udp_queue_full")  # a socket; each datagram counts 256 more
    path_mtus: int = bound(1024, "path_mtus_full")  # destinations whose path is narrower than the link
    adopted_addresses: int = bound(4096, "adopted_addresses_full")  # by a gateway that takes what is to anybody
    redirects: int = bound(1024, "redirects_full")  # destinations with another first hop
    dns_queries: int = bound(256, "dns_queries_full")  # questions on their way at once
    dns_cache_bytes: int = bound(1 << 20, "dns_cache_full")
    dns_aliases: int = bound(16, "dns_aliases_full")  # from the name that was asked for to the one with the address
    dns_strangers: int = bound(16, "dns_strangers_full")  # wrong answers to one question until it goes by TCP
    dns_servers: int = bound(8, "dns_servers_full")  # that one question is put to
    dns_search: int = bound(32, "dns_search_full")  # domains in which one name is looked for
    echo_queue: int = bound(256, "echo_queue_full")  # replies a ping socket keeps
    addresses: int = bound(64, "addresses_full")  # of an interface, beside its first
    static_routes: int = bound(256, "static_routes_full")  # of an interface
    napt_sessions: int = bound(16384, "napt_table_full")  # of all inside hosts
    napt_portmaps: int = bound(256, "napt_portmaps_full")
    groups: int = bound(256, "groups_full")  # multicast groups an interface joins
    dhcp_leases: int = bound(16384, "dhcps_leases_full")  # a pool remembers, offers and those that are over included
    dhcp_probes: int = bound(256, "dhcps_unprobed")  # at a time; more are offered without asking whether they are free
    group_changes: int = bound(1024, "group_changes_full")  # of groups, or of one's sources: not told often enough yet
    memberships: int = bound(20, "memberships_full")  # groups a socket joins; Linux' igmp_max_memberships
    membership_sources: int = bound(10, "memberships_full")  # in the filter of one of them; Linux' igmp_max_msf
    group_query_sources: int = bound(64, "group_query_widened")  # asked for in the queries that wait for an answer
    dhcp_message: int = bound(4096, "dhcpc_too_long")  # bytes that a server may say at a time
    dhcp_list: int = bound(64, "dhcpc_option_ignored")  # addresses, routes or names in one option
    syn_table: int = bound(1024, "syn_table_full")
    fast_open_cookies: int = bound(1024, "fast_open_forgotten")  # of servers, at a client
    time_wait: int = bound(16384, "time_wait_full")
    templates: int = bound(131072, "templates_full")  # connections whose headers are ready
    challenge_acks: int = bound(1000, "challenge_ack_rate")  # sent per second, RFC 5961
    resets: int = bound(1000, "reset_rate")  # sent per second in answer to segments without a connection
    orphans: int = bound(4096, "orphans_full")
    feed_backlog: int = bound(16 << 20, "feed_backlog_full")  # bytes that wait for a protocol's peer to read
    out_of_order_ranges: int = bound(256, "tcp_out_of_order_full")  # a connection
    sacked_ranges: int = bound(4096, "tcp_sack_full")  # a connection: what its peer has behind holes
    socket_buffer: int = bound(16 << 20, "socket_buffer_clamped")  # what SO_RCVBUF or SO_SNDBUF may ask for
    socket_memory: int = bound(256 << 20, "socket_memory_pressure")  # in the buffers and queues of all sockets


class Rate:
    """At most `limit` times a second, all at once if need be."""

    __slots__ = ("_at", "_left", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._left = limit
        self._at = 0.0

    def allows(self, now: float) -> bool:
        """One more, now; counts it if so."""
        self._left = min(self.limit, self._left + (now - self._at) * self.limit)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Rates:
    """At most `limit` times a second for each of the last `kept` askers."""

    __slots__ = ("_rates", "kept", "limit")

    def __init__(self, limit: float, kept: int = 1024) -> None:
        self.limit = limit
        self.kept = kept
        self._rates: dict[bytes, Rate] = {}

    def allows(self, asker: bytes, now: float) -> bool:
        rate = self._rates.pop(asker, None)
        if rate is None:
            rate = Rate(self.limit)
            while len(self._rates) >= self.kept:
                del self._rates[next(iter(self._rates))]
        self._rates[asker] = rate
        return rate.allows(now)
