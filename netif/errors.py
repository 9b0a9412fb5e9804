"""NetifError and a subclass per esp_netif code.

Each class bears the code and the name that esp_netif gives the failure; the message is one line that says what was
wrong and what to do. What a driver or a stack raises (OSError, ValueError) passes through unchanged.
"""
# ruff: noqa: N818 - the names are esp_netif's

from __future__ import annotations

from typing import ClassVar


class NetifError(Exception):
    """The base; by itself esp's plain failure."""

    code: ClassVar[int] = -1
    name: ClassVar[str] = "ESP_FAIL"


class InvalidArg(NetifError, ValueError):
    """Nothing, or another kind of thing, where an argument must be."""

    code = 0x102
    name = "ESP_ERR_INVALID_ARG"


class InvalidState(NetifError):
    code = 0x103
    name = "ESP_ERR_INVALID_STATE"


class NotFound(NetifError, LookupError):
    code = 0x105
    name = "ESP_ERR_NOT_FOUND"


class NotSupported(NetifError):
    code = 0x106
    name = "ESP_ERR_NOT_SUPPORTED"


class InvalidParams(NetifError, ValueError):
    code = 0x5001
    name = "ESP_ERR_ESP_NETIF_INVALID_PARAMS"


class IfNotReady(NetifError):
    code = 0x5002
    name = "ESP_ERR_ESP_NETIF_IF_NOT_READY"


class DhcpcStartFailed(NetifError):
    code = 0x5003
    name = "ESP_ERR_ESP_NETIF_DHCPC_START_FAILED"


class DhcpAlreadyStarted(NetifError):
    code = 0x5004
    name = "ESP_ERR_ESP_NETIF_DHCP_ALREADY_STARTED"


class DhcpAlreadyStopped(NetifError):
    code = 0x5005
    name = "ESP_ERR_ESP_NETIF_DHCP_ALREADY_STOPPED"


class NoMem(NetifError):
    code = 0x5006
    name = "ESP_ERR_ESP_NETIF_NO_MEM"


class DhcpNotStopped(NetifError):
    code = 0x5007
    name = "ESP_ERR_ESP_NETIF_DHCP_NOT_STOPPED"


class DriverAttachFailed(NetifError):
    code = 0x5008
    name = "ESP_ERR_ESP_NETIF_DRIVER_ATTACH_FAILED"


class InitFailed(NetifError):
    code = 0x5009
    name = "ESP_ERR_ESP_NETIF_INIT_FAILED"


class DnsNotConfigured(NetifError):
    code = 0x500A
    name = "ESP_ERR_ESP_NETIF_DNS_NOT_CONFIGURED"


class Mld6Failed(NetifError):
    code = 0x500B
    name = "ESP_ERR_ESP_NETIF_MLD6_FAILED"


class Ip6AddrFailed(NetifError):
    code = 0x500C
    name = "ESP_ERR_ESP_NETIF_IP6_ADDR_FAILED"


class DhcpsStartFailed(NetifError):
    code = 0x500D
    name = "ESP_ERR_ESP_NETIF_DHCPS_START_FAILED"


class TxFailed(NetifError):
    code = 0x500E
    name = "ESP_ERR_ESP_NETIF_TX_FAILED"
