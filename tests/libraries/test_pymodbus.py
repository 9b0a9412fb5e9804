"""pymodbus: registers of a device, read and written over TCP, TLS and UDP; its clients of both kinds."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from functools import partial

import pytest
from pymodbus.client import (
    AsyncModbusTcpClient,
    AsyncModbusUdpClient,
    ModbusTcpClient,
    ModbusTlsClient,
    ModbusUdpClient,
)
from pymodbus.exceptions import ModbusException
from pymodbus.server import ModbusTcpServer, ModbusTlsServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice


@asynccontextmanager
async def device(kind, **options):
    registers = SimDevice(1, simdata=[SimData(0, count=100, values=7, datatype=DataType.REGISTERS)])
    server = kind(registers, **options)
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()


KINDS = {
    "tcp": (ModbusTcpServer, ModbusTcpClient, AsyncModbusTcpClient),
    "udp": (ModbusUdpServer, ModbusUdpClient, AsyncModbusUdpClient),
}


@pytest.mark.parametrize("kind", KINDS)
def test_registers(scene, kind):
    serving, asking, _ = KINDS[kind]
    made = scene.serving_in_a_loop(partial(device, serving, address=("0.0.0.0", 502)))
    with made, scene.on(scene.client), asking(scene.server.ip, port=502, timeout=5) as client:
        assert client.read_holding_registers(10, count=5, device_id=1).registers == [7] * 5
        client.write_registers(10, [1, 2, 3], device_id=1)
        assert client.read_holding_registers(9, count=5, device_id=1).registers == [7, 1, 2, 3, 7]
        assert client.read_holding_registers(99, count=5, device_id=1).isError()


@pytest.mark.parametrize("kind", KINDS)
def test_registers_by_asyncio(scene, kind):
    serving, _, asking = KINDS[kind]

    async def main():
        with scene.on(scene.server):
            async with device(serving, address=("0.0.0.0", 502)):
                with scene.on(scene.client):
                    client = asking(scene.server.ip, port=502, timeout=5)
                    assert await client.connect()
                    for n in range(20):
                        await client.write_register(10, n, device_id=1)
                        assert (await client.read_holding_registers(10, count=1, device_id=1)).registers == [n]
                    client.close()

    scene.lan.run(main())


def test_registers_by_tls(scene, trust):
    trusting = ssl.create_default_context()
    trusting.check_hostname = False  # it does not say whom it asks for
    trust.authority.configure_trust(trusting)
    serving = partial(device, ModbusTlsServer, address=("0.0.0.0", 802), sslctx=trust.server)
    client = ModbusTlsClient("server", port=802, sslctx=trusting, timeout=5)
    with scene.serving_in_a_loop(serving), scene.on(scene.client), client:
        assert client.read_holding_registers(10, count=100, device_id=1).isError()
        assert client.read_holding_registers(0, count=100, device_id=1).registers == [7] * 100


def test_a_silent_device_and_a_client_that_waits_for_it(virtual):
    serving = partial(device, ModbusTcpServer, address=("0.0.0.0", 502))
    made, asking = virtual.serving_in_a_loop(serving), virtual.on(virtual.client)
    with made, asking, ModbusTcpClient(virtual.server.ip, timeout=5, retries=1) as client:
        assert client.read_holding_registers(0, count=1, device_id=1).registers == [7]
        virtual.server.netif.unplug()
        before = virtual.lan.now()
        with pytest.raises(ModbusException):
            client.read_holding_registers(0, count=1, device_id=1)
        assert 9 <= virtual.lan.now() - before <= 25
        virtual.server.netif.replug()


def test_a_device_that_is_silent_and_comes_back(virtual):
    async def main():
        with virtual.on(virtual.server):
            async with device(ModbusTcpServer, address=("0.0.0.0", 502)):
                with virtual.on(virtual.client):
                    client = AsyncModbusTcpClient(virtual.server.ip, port=502, timeout=5, retries=1)
                    await client.connect()
                    virtual.server.netif.unplug()
                    with pytest.raises(ModbusException):
                        await client.read_holding_registers(0, count=1, device_id=1)
                    virtual.server.netif.replug()
                    await asyncio.sleep(30)  # until TCP has tried again
                    assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [7]
                    client.close()

    virtual.lan.run(main())
