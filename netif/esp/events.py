"""esp_event's default loop: handlers by base and id, and what is posted to them, of any base.

The interfaces that `netif_new` made post here under IP_EVENT, with an id of IpEvent or of their configuration; the data
are what `Netif.subscribe` has too: GotIp, LostIp, NetifUp, NetifDown, AssignedIp, TxRx. Ended by `netif_deinit`.
"""

from __future__ import annotations

from typing import Any

from netif.errors import InvalidArg
from netif.esp.process import of_netif, process
from netif.event_bus import Handler, Registration
from netif.netif import Netif

__all__ = [
    "event_handler_instance_register",
    "event_handler_instance_unregister",
    "event_handler_register",
    "event_handler_unregister",
    "event_loop_create_default",
    "event_loop_delete_default",
    "event_post",
    "netif_tx_rx_event_disable",
    "netif_tx_rx_event_enable",
]


def event_loop_create_default() -> None:
    """Nothing needs it; harmless if repeated."""


def event_loop_delete_default() -> None:
    """Forget all handlers, and with them what is under way."""
    process.bus.close()


def event_handler_register(base: Any, event_id: Any, handler: Handler, arg: Any = None) -> None:
    """Call `handler(arg, base, id, data)` for each such event, in order; ANY_ID: for each of that base. Once only."""
    process.bus.register(base, event_id, handler, arg)


def event_handler_unregister(base: Any, event_id: Any, handler: Handler) -> None:
    """Call it no longer, not even for what is under way. Unknown ones are ignored."""
    process.bus.unregister(base, event_id, handler)


def event_handler_instance_register(base: Any, event_id: Any, handler: Handler, arg: Any = None) -> Registration:
    """As `event_handler_register`, as often as one likes."""
    return process.bus.register_instance(base, event_id, handler, arg)


def event_handler_instance_unregister(base: Any, event_id: Any, instance: Registration) -> None:
    """End what `event_handler_instance_register` returned."""
    if not isinstance(instance, Registration):
        raise InvalidArg(f"event_handler_instance_unregister: {instance!r} is none; give what registering returned")
    process.bus.unregister_instance(instance)


def event_post(base: Any, event_id: Any, data: Any = None) -> None:
    """From any thread; none is lost. InvalidArg for ANY_BASE and ANY_ID."""
    process.bus.post(base, event_id, data)


@of_netif
def netif_tx_rx_event_enable(netif: Netif) -> None:
    """A TxRx event for each frame from now on."""
    netif.enable_traffic_events()


@of_netif
def netif_tx_rx_event_disable(netif: Netif) -> None:
    netif.disable_traffic_events()
