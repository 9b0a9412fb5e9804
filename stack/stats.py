"""What a stack counts: every drop by its reason, every bound that was met, and a few events.

`DROPS` is the whole list of reasons why a frame or a packet may be thrown away; nothing is dropped without a count.
"""

from __future__ import annotations

from netif.wire import REASONS

DROPS: dict[str, str] = {
    **REASONS,
    # Ethernet and ARP
    "ethernet_other_host": "the frame's destination MAC is neither ours nor a group that we joined",
    "ethernet_type": "neither IPv4 nor ARP, nor an ethertype that somebody has asked for",
    "l2tap_queue_full": "too many frames of an ethertype wait in its socket",
    "ip6_unsupported": "an IPv6 packet, on a link of bare packets",
    "arp_sender": "the sender's hardware or protocol address cannot be a host's",
    "arp_not_for_us": "an ARP message about addresses that are neither ours nor known",
    "arp_second": "another MAC for a neighbour who has just answered: the first counts",
    "arp_table_full": "no room for another neighbour",
    "arp_queue_full": "too much waits for one neighbour to answer",
    "arp_unresolved": "the neighbour never answered",
    # IP
    "ip_not_for_us": "the destination address is not ours",
    "ip_source": "the source address cannot be a sender's (a group, a broadcast, loopback from a wire, our own)",
    "ip_unicast_in_broadcast": "a link-layer broadcast that bears a unicast datagram (RFC 1122 3.3.6)",
    "ip_fragment": "a fragment without data, or not the last and no multiple of 8 bytes",
    "ip_fragment_tiny": "a first fragment without the whole TCP header, or one that would replace it (RFC 1858, 3128)",
    "ip_fragment_overlap": "a fragment that overlaps another, or contradicts it about the end (RFC 5722)",
    "ip_fragment_oversize": "fragments of more than 65535 bytes together",
    "ip_fragment_spoiled": "one more fragment of a datagram that overlapped or grew too large",
    "ip_fragment_ecn": "fragments of which some claim ECN and others do not (RFC 3168 5.3)",
    "ip_reassembly_full": "a datagram given up because too many, or too much of them, wait for fragments",
    "ip_reassembly_time": "a datagram whose fragments did not all come in time",
    "ip_protocol": "nobody speaks that protocol",
    "ip_no_route": "the way to the destination is gone",
    "ip_recut": "made for another link or MTU than the one the route leads to now",
    "ip_option": "options that cannot be read",
    "ip_source_route": "a source route: refused (RFC 7126 4.3, 4.4)",
    "ip_group_source": "a multicast from a source that nobody here wants to hear",
    # forwarding
    "forward_ttl": "a packet to be sent on whose time to live is over (RFC 1812 5.3.1)",
    "forward_martian": "a packet to be sent on from or to an address that is nobody's, or our own (RFC 1812 5.3.7)",
    "forward_broadcast": "a packet to the broadcast of another subnet: it is not sent on (RFC 2644)",
    "forward_no_route": "a packet to be sent on for which there is no way",
    "forward_too_big": "a packet to be sent on that the next link cannot take whole, and that must not be cut",
    "napt_no_address": "from inside, by a link that has no address to give to it",
    "napt_protocol": "from inside, of a protocol or an ICMP type that cannot be translated",
    "napt_no_session": "from inside, of no connection that was seen to open, or an error about none",
    "napt_full": "from inside, with no room left, or no port",
    "napt_filtered": "from outside, to an inside host's port by somebody to whom it has not spoken",
    "raw_queue_full": "a raw socket's queue is full",
    # the interface
    "link_down": "sent while the link was down",
    "interface_queue_full": "the driver takes nothing and the interface's queue is full",
    "loopback_queue_full": "the loopback's queue is full",
    # ICMP
    "icmp_type": "an ICMP message of a kind that we do not act upon",
    "icmp_broadcast_echo": "an echo request to a broadcast or group address",
    "icmp_no_route": "an echo request whose answer finds no way back",
    "icmp_mtu": "a claim about the path's MTU that would have let the packet through that it quotes",
    "icmp_redirect": "a redirect that is not accepted, or not from the gateway in use to a neighbour",
    "icmp_quote_not_ours": "an ICMP error about something that we did not send",
    "icmp_echo_unknown": "an echo reply that no ping socket waits for",
    "icmp_error_rate": "an ICMP error not sent, to keep to the rate limit",
    "echo_queue_full": "a ping socket's queue is full",
    # IGMP
    "igmp_type": "an IGMP message that is not for hosts",
    "igmp_misdirected": "an IGMP query without router alert or to a wrong group, or a report to another than its own",
    # UDP
    "udp_checksum": "the UDP checksum is wrong",
    "udp_no_socket": "no UDP socket at that address and port",
    "udp_queue_full": "a UDP socket's queue is full",
    # DHCP, of a server
    "dhcps_kind": "a DHCP message that is not for servers",
    "dhcps_sender": "a DHCP client whose hardware address cannot be a host's",
    "dhcps_relay": "a DHCP message from a subnet that is not served",
    "dhcps_readdressed": "the interface has no longer the address that the DHCP server was started with",
    "dhcps_other_server": "a DHCP client speaks to another server",
    "dhcps_unknown_client": "a DHCP client claims a lease that we do not know",
    "dhcps_claim": "a DHCP message about no address, or one of another subnet",
    "dhcps_pool_empty": "a DHCP client asks for an address, and there is none left",
    # DHCP, of a client
    "dhcpc_too_long": "a DHCP message of more bytes than any server needs",
    "dhcpc_not_for_us": "a DHCP message for another client, or in answer to what we did not ask",
    "dhcpc_unexpected": "a DHCP message of a type that means nothing in the client's state",
    "dhcpc_other_server": "a DHCP message by another server than the one that was chosen",
    "dhcpc_unusable": "a DHCP offer without server or lease time, or of an address that cannot be ours",
    # TCP
    "tcp_checksum": "the TCP checksum is wrong",
    "tcp_no_connection": "a segment that belongs to no connection, or cannot open one",
    "tcp_unacceptable": "a segment outside the window, or without an acceptable acknowledgment",
    "tcp_paws": "a timestamp older than the last one (RFC 7323 5)",
    "tcp_reset_in_window": "a RST that is not exactly the next byte (RFC 5961 3)",
    "tcp_syn_in_window": "a SYN within a connection (RFC 5961 4)",
    "tcp_ack_unsent": "an acknowledgment of what was never sent (RFC 5961 5)",
    "tcp_backlog_full": "a listener's queue is full",
    "tcp_out_of_order_full": "too many holes among what arrived out of order",
    "tcp_after_close": "data for a connection whose reader is gone",
    "socket_memory_full": "data for a socket that holds its small share while all of them hold too much",
    "challenge_ack_rate": "a challenge ACK not sent, to keep to the rate limit",
    "reset_rate": "a RST not sent, to keep to the rate limit",
    "tcp_syn_held": "a copy of a SYN about which nobody has decided yet",
    "syn_table_full": "too many half-open connections",
    # DNS
    "dns_mismatch": "a DNS message that is not the answer to what was asked there (RFC 5452 9.1)",
}

COUNTERS: dict[str, str] = {
    "arp_conflict": "somebody else uses our address (RFC 5227)",
    "arp_yielded": "addresses given up because another insists on them",
    "arp_claim_lost": "addresses that we should have liked to have, and another has",
    "arp_defended": "conflicts that were answered by an announcement",
    "reassembled": "datagrams put together from fragments",
    "fragmented": "datagrams sent in fragments",
    "path_narrowed": "routers that told of a narrower path (RFC 1191)",
    "path_mtus_full": "paths forgotten for want of room",
    "unreachable": "interfaces that were found to lead nowhere any more, as far as anybody looks",
    "reachable_again": "interfaces that lead somewhere again",
    "forwarded": "frames sent on",
    "redirects_sent": "hosts that were told of a better first hop",
    "napt_table_full": "translations ended early for want of room, or not begun",
    "napt_ports_full": "translations not begun because every port was taken",
    "napt_portmaps_full": "port mappings refused because there are too many",
    "redirected": "redirects that were followed",
    "adopted_addresses_full": "addresses of others that were given up to take another",
    "redirects_full": "redirects forgotten for want of room",
    "dhcps_refused": "DHCP requests answered by a NAK",
    "dhcps_declined": "addresses that another host uses, as a client or our own probe found",
    "dhcps_leases_full": "addresses not given because the DHCP server remembers too many",
    "dhcps_unprobed": "addresses offered without a probe, because there were too many at a time",
    "dhcps_store_failed": "times when leases could not be read or saved",
    "dhcpc_option_ignored": "DHCP options left out of a lease because they cannot be what they say",
    "dhcpc_no_route": "DHCP requests to the server of the lease that found no way",
    "dhcpc_refused": "DHCP requests that a server refused",
    "dhcpc_declined": "leased addresses that another host uses",
    "dhcpc_expired": "leases that nobody renewed",
    "flush_deferred": "flushes that left the rest of their work to the next turn",
    "icmp_sent": "ICMP errors sent",
    "echo_replied": "echo requests answered",
    "internal_error": "exceptions out of our own code: always a mistake of ours",
    "addresses_full": "further addresses refused because the interface has too many",
    "static_routes_full": "times when an interface was given more static routes than it may have",
    "groups_full": "multicast groups refused because there are too many",
    "group_changes_full": "changes of groups told once, or summed up, for want of room",
    "memberships_full": "groups or sources that a socket was refused because it has too many",
    "group_query_widened": "queries about so many sources that the answer is about all of them",
    "templates_full": "times when a connection sent by the plain path because too many others have headers ready",
    "time_wait_full": "TIME-WAIT states ended early for want of room",
    "socket_buffer_clamped": "buffers that were asked for larger than a socket may have",
    "socket_memory_pressure": "times when the sockets held too much, and each had to make do with little",
    "dns_queries_full": "names not looked up because too many others were on their way",
    "dns_cache_full": "DNS answers forgotten early for want of room",
    "dns_aliases_full": "DNS aliases that led in a circle, or too far",
    "dns_strangers_full": "DNS questions that went by TCP because too many wrong answers came",
    "dns_servers_full": "times when there were more name servers than one question is put to",
    "dns_search_full": "times when there were more search domains than one name is looked for in",
    "syn_cookies_sent": "SYNs answered without keeping anything, for want of room (RFC 4987)",
    "syn_cookies_received": "connections made of the answer to such a SYN-ACK",
    "syn_cookies_failed": "answers to a SYN-ACK that we never sent, or too long ago",
    "fast_open_accepted": "connections whose SYN brought data that was believed (RFC 7413)",
    "fast_open_refused": "Fast Open cookies that we never gave, or too long ago",
    "fast_open_full": "Fast Open requests treated as plain SYNs, for too many were unconfirmed",
    "fast_open_forgotten": "servers whose Fast Open cookie was forgotten for want of room",
    "half_open_evicted": "half-open connections that made room for a listener which had less than its share",
    "tcp_sack_full": "selective acknowledgments not remembered, for there were too many",
    "feed_failed": "connections aborted because the protocol that they call raised something",
    "feed_backlog_full": "connections aborted because their protocol wrote on and on to a peer that does not read",
    "orphans_full": "connections aborted because too many linger without an owner",
}


class Stats:
    __slots__ = ("counters",)

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Stats {self.counters}>"

    def count(self, name: str, n: int = 1) -> None:
        counters = self.counters
        counters[name] = counters.get(name, 0) + n

    def drop(self, reason: str) -> None:
        assert reason in DROPS, reason
        counters = self.counters
        counters[reason] = counters.get(reason, 0) + 1

    def __getitem__(self, name: str) -> int:
        return self.counters.get(name, 0)

    def drops(self) -> dict[str, int]:
        return {name: count for name, count in self.counters.items() if name in DROPS}
