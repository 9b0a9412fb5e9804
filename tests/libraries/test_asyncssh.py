"""asyncssh: commands, a forwarded port, and files by SFTP, between two hosts."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncssh
import pytest

BULK = bytes(range(256)) * 1200


class Login(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("ada", "lovelace")

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True


async def command(process):
    if process.command == "shout":
        async for line in process.stdin:
            process.stdout.write(line.upper())
        process.exit(3)
    else:
        process.stdout.write(process.get_extra_info("peername")[0])
        process.exit(0)


@pytest.fixture(scope="module")
def key():
    return asyncssh.generate_private_key("ssh-ed25519")


async def serve(key, **options):
    return await asyncssh.create_server(
        Login, "", 22, server_host_keys=[key], process_factory=command, encoding="utf-8", **options
    )


def connect(key, **options):
    hosts = asyncssh.import_known_hosts(f"server {key.export_public_key().decode()}")
    given = {"username": "ada", "password": "lovelace", "known_hosts": hosts, "config": None, "client_keys": None}
    return asyncssh.connect("server", **{**given, **options})


async def end(scene, *servers):
    for server in servers:
        server.close()
        await server.wait_closed()
    await scene.settle()


def test_commands(scene, key):
    async def main():
        with scene.on(scene.server):
            server = await serve(key)
        with scene.on(scene.client):
            async with connect(key) as session:
                assert (await session.run("whence")).stdout == scene.client.ip
                done = await session.run("shout", input="hello\nworld\n")
                assert (done.stdout, done.exit_status) == ("HELLO\nWORLD\n", 3)
                both = await asyncio.gather(*(session.run("shout", input=f"{n}a" * 20_000) for n in range(3)))
                assert [len(each.stdout) for each in both] == [40_000] * 3
            with pytest.raises(asyncssh.PermissionDenied):
                await connect(key, password="byron")
        await end(scene, server)

    scene.lan.run(main())


def test_files(scene, key, tmp_path):
    (tmp_path / "there").mkdir()

    async def main():
        with scene.on(scene.server):
            server = await serve(key, sftp_factory=partial(asyncssh.SFTPServer, chroot=tmp_path / "there"))
        with scene.on(scene.client):
            async with connect(key) as session, session.start_sftp_client() as files:
                async with files.open("bulk", "wb") as file:
                    await file.write(BULK)
                await files.rename("bulk", "kept")
                assert "kept" in await files.listdir()
                await files.get("kept", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "there" / "kept").read_bytes() == BULK
        await end(scene, server)

    scene.lan.run(main())


def test_a_forwarded_port(scene, key):
    """A third host talks to a service on the server's loopback, through the client."""

    async def shout(reader, writer):
        writer.write((await reader.read()).upper())
        writer.close()

    async def main():
        asking = scene.lan.host("asking")
        with scene.on(scene.server):
            server = await serve(key)
            service = await asyncio.start_server(shout, "127.0.0.1", 7)
        with scene.on(scene.client):
            async with connect(key) as session:
                listener = await session.forward_local_port("", 7000, "127.0.0.1", 7)
                with scene.on(asking):
                    reader, writer = await asyncio.open_connection("client", 7000)
                    writer.write(b"hello" * 10_000)
                    writer.write_eof()
                    assert await reader.read() == b"HELLO" * 10_000
                    writer.close()
                    await writer.wait_closed()
                listener.close()
                await listener.wait_closed()
        await end(scene, service, server)

    scene.lan.run(main())


def test_a_silent_server_is_found_out(virtual, key):
    async def main():
        with virtual.on(virtual.server):
            server = await serve(key)
        with virtual.on(virtual.client):
            session = await connect(key, keepalive_interval=15, keepalive_count_max=3)
            await asyncio.sleep(3600)
            assert (await session.run("whence")).stdout == virtual.client.ip
            virtual.server.netif.power_off()
            gone = virtual.lan.now()
            await session.wait_closed()
            assert 45 <= virtual.lan.now() - gone <= 90
        await end(virtual, server)

    virtual.lan.run(main())
