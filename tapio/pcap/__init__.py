"""libpcap as a live wire: what can be captured on an interface is heard, what libpcap can send is sent.

Nothing here is Linux's alone; libpcap itself is loaded when a Pcap is made (`pip install netif[pcap]`).
"""

from __future__ import annotations

from tapio.pcap.driver import Pcap

__all__ = ["Pcap"]
