"""Other interpreters of this machine: each one's modules, a demo, and conversations by sockets, `use` and asyncio.

What netif depends on is pure Python, so this interpreter's own attrs and h11 serve the others: no environment is made.
Every warning is an error there, those of the stdlib about what it means to drop included.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
NAMES = ("python3.11", "python3.12", "python3.13", "python3.13t")
MINE = f"python{sys.version_info[0]}.{sys.version_info[1]}"
DEPENDENCIES = ("attr", "attrs", "h11")

IMPORTS = """
import importlib, pathlib, sys
top = pathlib.Path(sys.argv[1])
paths = [path for room in ("netif", "tapio", "stack", "components") for path in sorted((top / room).rglob("*.py"))]
names = [".".join(path.relative_to(top).with_suffix("").parts) for path in paths if not path.stem.startswith("__")]
for name in names:
    if name != "tapio.scapy_view" and "pytest_plugin" not in name:  # which want what is not here
        importlib.import_module(name)
assert len(names) > 300
"""
LAN = """
from netif import Lan
with Lan(seed=7) as lan:
    server, client = lan.host("server"), lan.host("client", loss="5%", delay="20ms")

    def serve():
        with server.create_server(("", 7)) as listener:
            connection, peer = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

    def ask():
        with client.create_connection((server.ip, 7)) as s:
            s.sendall(bytes(100_000))
            got = 0
            while got < 100_000:
                got += len(s.recv(65536))
            return got

    server.spawn(serve)
    answer = client.spawn(ask)
    lan.run_until(answer.done)
    assert answer.result() == 100_000
"""
USE = """
import http.server, urllib.request
from netif import Lan, use

class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments):
        pass

with Lan(seed=7) as lan:
    server, client = lan.host("server"), lan.host("client")

    @use(server)
    def serve():
        with http.server.HTTPServer(("", 80), Hello) as pages:
            pages.process_request(*pages.get_request())

    @use(client, clock=True)
    def fetch():
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open("http://server/", timeout=60) as page:
            return page.read()

    server.spawn(serve)
    page = client.spawn(fetch)
    lan.run_until(page.done)
    assert page.result() == b"hello"
"""
ASYNCIO = """
import asyncio
from netif import Lan, use

async def shout(reader, writer):
    async for line in reader:
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()

async def converse(server, client):
    async with await server.aio.start_server(shout, port=7):
        reader, writer = await client.aio.open_connection("server", 7)
        writer.write(b"hello\\n")
        assert await reader.readline() == b"HELLO\\n"
        writer.close()
        await writer.wait_closed()
    with use(server):
        async with await asyncio.start_server(shout, port=8):
            with use(client):
                reader, writer = await asyncio.open_connection("server", 8)
            writer.write(b"again\\n")
            assert await asyncio.wait_for(reader.readline(), 60) == b"AGAIN\\n"
            writer.close()
            await writer.wait_closed()

async def on_a_real_clock():
    async with Lan(seed=7, clock="asyncio") as lan:
        await converse(lan.host("server"), lan.host("client"))

asyncio.run(on_a_real_clock())
with Lan(seed=7) as lan:
    lan.run(converse(lan.host("server"), lan.host("client", delay="200ms")))
"""


def interpreter(name: str) -> str | None:
    """On PATH, or made by pyenv, whose shims may lead nowhere."""
    made = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob(f"versions/*/bin/{name}")
    for path in [*filter(None, [shutil.which(name)]), *map(str, sorted(made))]:
        if subprocess.run([path, "-c", "import ssl"], capture_output=True).returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with those alone, of this interpreter's."""
    folder = tmp_path_factory.mktemp("dependencies")
    for name in DEPENDENCIES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        (folder / name).symlink_to(Path(spec.origin).parent)
    return folder


@pytest.fixture(scope="module", params=[name for name in NAMES if name != MINE])
def python(request: pytest.FixtureRequest) -> str:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no {request.param} on PATH, nor among pyenv's versions")
    return found


def run(python: str, dependencies: Path, elsewhere: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{TOP}{os.pathsep}{dependencies}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-s", "-W", "error", *words]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Warning" not in done.stderr, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("program", [IMPORTS, LAN, USE, ASYNCIO], ids=["imports", "lan", "use", "asyncio"])
def test_it_runs_without_a_warning(python, dependencies, tmp_path, program):
    run(python, dependencies, tmp_path, "-c", program, str(TOP))


@pytest.mark.slow
def test_the_demo_runs(python, dependencies, tmp_path):
    assert run(python, dependencies, tmp_path, "-m", "netif", "demo")
