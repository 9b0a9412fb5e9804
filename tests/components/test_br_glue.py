"""A bridge as ESP-IDF's programs make one: ports without addresses, a glue, an interface of the bridge's own."""

from __future__ import annotations

from functools import partial

import pytest

from netif import (
    NETIF_BR_DROP,
    NETIF_BR_FDW_CPU,
    NETIF_BR_FLOOD,
    NETIF_INHERENT_DEFAULT_BR,
    NETIF_INHERENT_DEFAULT_ETH,
    BridgeConfig,
    DriverAttachFailed,
    DriverIfconfig,
    Flags,
    InvalidArg,
    InvalidParams,
    InvalidState,
    Netif,
    NetifConfig,
    NetifError,
    NetstackConfig,
    NoMem,
    NotFound,
    Stack,
    VirtualRuntime,
    ethif_init,
    ethif_input,
    netif_attach,
    netif_br_glue_add_port,
    netif_br_glue_add_wifi_port,
    netif_br_glue_del,
    netif_br_glue_new,
    netif_bridge_add_port,
    netif_bridge_fdb_add,
    netif_bridge_fdb_remove,
    netif_deinit,
    netif_destroy,
    netif_get_mac,
    netif_is_netif_up,
    netif_new,
    pair,
)
from tests.components.test_trunk import exchange

DATA = bytes(range(256)) * 500


class Board:
    """A device with Ethernet ports, and a host at the other end of each cable, 10.0.0.11 on."""

    def __init__(self) -> None:
        self.runtime = VirtualRuntime(seed=1)
        self.own = Stack("board", runtime=self.runtime)
        self.stack = NetstackConfig(partial(ethif_init, stack=self.own), ethif_input)
        self.hosts = []

    def port(self, *, flags=0, attached=True):
        n = len(self.hosts)
        near, far = pair()
        host = Stack(f"host{n}", runtime=self.runtime)
        Netif(far, stack=host, ip=f"10.0.0.{11 + n}/24", mac=f"02:00:00:00:00:{11 + n}")
        self.hosts.append(host)
        base = NETIF_INHERENT_DEFAULT_ETH(if_key=f"ETH_{n}", flags=flags)
        port = netif_new(NetifConfig(base=base, driver=DriverIfconfig(near), stack=self.stack))
        if attached:
            netif_attach(port, near)
        return port

    def bridge(self, glue, **sizes):
        base = NETIF_INHERENT_DEFAULT_BR(
            flags=Flags.IS_BRIDGE, ip_info="10.0.0.1/24", mac="02:00:00:00:00:01", bridge_info=BridgeConfig(**sizes)
        )
        made = netif_new(NetifConfig(base=base, stack=self.stack))
        netif_attach(made, glue)
        self.runtime.run_for(0)
        return made

    def says(self, one, other, address):
        return exchange(self.runtime, one, other, address, DATA) == DATA


@pytest.fixture
def board():
    made = Board()
    yield made
    netif_deinit()
    for host in (*made.hosts, made.own):
        host.close(0)
    made.runtime.check()
    made.runtime.close()


def test_ports_reach_each_other_and_the_board(board):
    glue = netif_br_glue_new()
    netif_br_glue_add_port(glue, board.port())
    netif_br_glue_add_wifi_port(glue, board.port(attached=False))
    bridge = board.bridge(glue)
    assert netif_is_netif_up(bridge)
    assert netif_get_mac(bridge) == b"\x02\0\0\0\0\x01"
    assert board.says(*board.hosts, "10.0.0.12")
    assert board.says(board.hosts[0], board.own, "10.0.0.1")
    netif_bridge_add_port(bridge, board.port())
    assert board.says(board.own, board.hosts[2], "10.0.0.13")
    netif_destroy(bridge)


def test_its_link_is_up_with_the_first_port(board):
    bridge = board.bridge(netif_br_glue_new())
    assert not netif_is_netif_up(bridge)
    netif_bridge_add_port(bridge, board.port())
    assert netif_is_netif_up(bridge)


def test_stations_go_where_the_mask_says(board):
    glue = netif_br_glue_new()
    for _ in range(3):
        netif_br_glue_add_port(glue, board.port())
    bridge = board.bridge(glue, max_fdb_sta_entries=4)
    for n, mask in enumerate((NETIF_BR_DROP, 0b101, NETIF_BR_FLOOD, NETIF_BR_FDW_CPU | 0b10)):
        netif_bridge_fdb_add(bridge, f"02:00:00:00:01:0{n}", mask)
    assert [entry.to for entry in glue.bridge.fdb if entry.is_static] == [
        (),
        ("ETH_0", "ETH_2"),
        ("ETH_0", "ETH_1", "ETH_2"),
        ("ETH_1", "host"),
    ]
    with pytest.raises(NoMem, match="BR0 has 4 static entries"):
        netif_bridge_fdb_add(bridge, "02:00:00:00:01:09", NETIF_BR_DROP)
    netif_bridge_fdb_remove(bridge, "02:00:00:00:01:00")
    with pytest.raises(NotFound):
        netif_bridge_fdb_remove(bridge, "02:00:00:00:01:00")
    with pytest.raises(InvalidParams, match=r"0x8 is no port of .*, which has 3"):
        netif_bridge_fdb_add(bridge, "02:00:00:00:01:09", 8)
    with pytest.raises(InvalidParams, match="'all' is no mask of ports"):
        netif_bridge_fdb_add(bridge, "02:00:00:00:01:09", "all")


def test_it_may_stop_and_start(board):
    glue = netif_br_glue_new()
    netif_br_glue_add_port(glue, board.port())
    bridge = board.bridge(glue)
    bridge.stop()
    bridge.start()
    board.runtime.run_for(0)
    assert board.says(board.hosts[0], board.own, "10.0.0.1")


def test_mistakes_are_told_in_one_line(board):
    glue = netif_br_glue_new()
    plain = board.port()
    with pytest.raises(InvalidParams, match="has an address, or asks for one: make a bridge's port with flags"):
        netif_br_glue_add_port(glue, board.port(flags=Flags.DHCP_CLIENT, attached=False))
    with pytest.raises(InvalidState, match="has no driver: attach one first"):
        netif_br_glue_add_port(
            glue, netif_new(NetifConfig(base=NETIF_INHERENT_DEFAULT_ETH(flags=0), stack=board.stack))
        )
    with pytest.raises(InvalidArg, match="5 is no glue"):
        netif_br_glue_add_port(5, plain)
    with pytest.raises(InvalidArg, match="None is no interface"):
        netif_br_glue_add_port(glue, None)
    with pytest.raises(NetifError, match="is no bridge that has started"):
        netif_bridge_fdb_add(plain, "02:00:00:00:01:00", 0)
    other = netif_new(NetifConfig(base=NETIF_INHERENT_DEFAULT_ETH(if_key="OTHER", flags=0), stack=board.stack))
    with pytest.raises(DriverAttachFailed, match="has no IS_BRIDGE: make it by NETIF_INHERENT_DEFAULT_BR"):
        netif_attach(other, glue)
    netif_br_glue_add_port(glue, plain)
    netif_br_glue_add_port(glue, board.port())
    with pytest.raises(NoMem, match="and that is the most"):
        board.bridge(glue, max_ports=1)
    netif_br_glue_del(glue)
    netif_br_glue_del(glue)
