"""What a process loads until it is a host, in counts: they are the same on every machine, however busy it is.

docs/performance.md has the times; `tests.bench.first_ping` takes them.
"""

from __future__ import annotations

import json

import pytest

from tests.netif.test_doorway import python

COUNTED = """
import builtins, sys
ROOMS = ("netif", "stack", "tapio", "components")
before, written, plain = set(sys.modules), [], builtins.compile

def reading(source, filename, *arguments, **options):
    if "attrs generated" in filename and filename.split()[-1].partition(".")[0] in ROOMS:
        written.append(source)
    return plain(source, filename, *arguments, **options)

builtins.compile = reading
{body}
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps([loaded, sum(source.count("def __") for source in written)]))
"""
STACK = "from netif import Stack; Stack().close()"
INTERFACE = """
from netif import Netif, Stack, pair
with Stack() as host, Netif(pair()[0], stack=host, ip="10.0.0.1/24"):
    pass
"""
WIRE = "from netif import open_wire, Tap"

# none of them is needed until somebody speaks DHCP or TLS, names a host, routes, awaits, or reads a command line
ELSEWHERE = """
    _hashlib argparse asyncio concurrent.futures ctypes dataclasses difflib email fractions gettext http h11 json
    multiprocessing pathlib pyroute2 scapy shutil sqlite3 ssl subprocess tempfile unittest urllib uuid zipfile
    importlib.metadata typing_extensions
    components.lan components.parser netif.dhcp netif.esp netif.reachability netif.router
    netif.runtime.aio netif.runtime.virtual netif.wire.dhcp netif.wire.dns stack.dhcp stack.dns stack.napt.table
    stack.napt.translator stack.reachability stack.socket stack.tcp.info
"""


@pytest.mark.parametrize(
    ("body", "modules", "methods"),
    [
        pytest.param(STACK, 235, 24, id="a stack"),
        pytest.param(INTERFACE, 255, 42, id="an interface"),
        pytest.param(f"{STACK}\n{WIRE}", 255, 30, id="a stack and a wire"),
    ],
)
def test_first_of_a_process_loads_what_it_needs(body, modules, methods):
    """`methods` are those that attrs writes and compiles for our classes, in every process anew."""
    ran = python("-c", COUNTED.format(body=body))
    assert ran.returncode == 0, ran.stderr
    loaded, compiled = json.loads(ran.stdout)
    needless = [name for name in loaded if any(name == one or name.startswith(f"{one}.") for one in ELSEWHERE.split())]
    assert needless == []
    assert len(loaded) <= modules
    assert compiled <= methods
