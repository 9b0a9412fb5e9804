"""Kernel settings through /proc/sys, each with the value that it had.

Knows that turning `ip_forward` on or off also sets every interface's `forwarding` and what a router takes from
redirects (the kernel's ip-sysctl document), so that these are put back one by one.
"""

from __future__ import annotations

import attrs

from components.host.kernel import Host, inside

FORWARD = "net/ipv4/ip_forward"


@attrs.frozen(kw_only=True)
class SetSysctl:
    path: str  # below /proc/sys
    value: str
    gone_is_fine: bool = False  # its device may have left

    def line(self, netns: str | None) -> str:
        name = self.path if "." in self.path else self.path.replace("/", ".")
        return inside(netns, ["sysctl", "-w", f"{name}={self.value}"])

    def apply(self, host: Host) -> None:
        try:
            host.write_sysctl(self.path, self.value)
        except FileNotFoundError:
            if not self.gone_is_fine:
                raise
