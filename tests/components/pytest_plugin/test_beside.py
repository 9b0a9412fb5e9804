"""The plugin beside others: pytest-asyncio, anyio, xdist, timeout and randomly, each alone and all at once."""

from __future__ import annotations

import re

import pytest

pytest_plugins = "pytester"
OTHERS = {
    "asyncio": "pytest_asyncio",
    "anyio": "anyio",
    "xdist": "xdist",
    "timeout": "pytest_timeout",
    "randomly": "pytest_randomly",
}
SYNC = """
@pytest.mark.netif(loss="10%")
def test_pair(netif_pair):
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"hello"

def test_coroutine(netif_pair):
    import asyncio

    assert netif_pair.run(asyncio.sleep(60)) is None
    assert netif_pair.lan.now() >= 60
"""
ASYNC = """
async def scene(seed):
    from components.testing import Lab

    async with Lab(seed, clock="asyncio") as lan:
        server, client = lan.host("server"), lan.host("client", delay="2ms")

        async def shout(reader, writer):
            writer.write((await reader.read(100)).upper())
            writer.close()

        async with await server.aio.start_server(shout, "", 7):
            reader, writer = await client.aio.open_connection("server", 7)
            writer.write(b"hello")
            answer = await reader.read()
            writer.close()
        lan.trace.expect("client > S", "server > S.")
        return answer
"""
OF_ASYNCIO = f"""{ASYNC}
@pytest.mark.asyncio
async def test_on_the_loop(netif_seed):
    assert await scene(netif_seed) == b"HELLO"
"""
OF_ANYIO = f"""{ASYNC}
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_on_anyios_loop(netif_seed):
    assert await scene(netif_seed) == b"HELLO"
"""
OF_TIMEOUT = """
@pytest.mark.timeout(0.5, func_only=True)
@pytest.mark.netif(clock="real")
def test_hangs(netif_lan):
    netif_lan.host("a")
    netif_lan.run_until(lambda: False)

def test_after(netif_pair):
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"hello"
"""


@pytest.fixture
def beside(project):
    """`beside(names, source, *options)`: with these plugins, and not the others of this page."""

    def run(names, source, *options):
        for name in names:
            pytest.importorskip(OTHERS[name])
        more = ("-o", "asyncio_default_fixture_loop_scope=function") if "asyncio" in names else ()
        return project(source, *options, *more, beside=tuple(names))

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_beside_one(beside, name):
    more = ("-n", "2") if name == "xdist" else ()
    beside([name], SYNC, "--netif-seeds", "2", *more).assert_outcomes(passed=4)


@pytest.mark.slow
def test_beside_all_at_once(beside):
    source = f"""{SYNC}{OF_ASYNCIO}
@pytest.mark.netif(loss="20%")
def test_fails(netif_pair):
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"no"
"""
    result = beside(OTHERS, source, "-n", "2", "--timeout", "60", "--netif-seeds", "2")
    result.assert_outcomes(passed=6, failed=2)
    said = result.stdout.str()  # it comes from a worker
    for n in (0, 1):
        assert f"seed {n}; to repeat: pytest test_it.py::test_fails --netif-seed {n}\n" in said


@pytest.mark.slow
@pytest.mark.parametrize(("name", "source"), [("asyncio", OF_ASYNCIO), ("anyio", OF_ANYIO)])
def test_coroutines_of_others_have_a_lan_on_their_loop(beside, name, source):
    beside([name], source).assert_outcomes(passed=1)


@pytest.mark.slow
def test_coroutines_of_both(beside):
    beside(["asyncio", "anyio"], OF_ASYNCIO + OF_ANYIO).assert_outcomes(passed=2)


def test_a_fixture_on_somebody_elses_loop_is_refused_in_words(beside):
    source = """
@pytest.mark.asyncio
@pytest.mark.netif(clock="asyncio")
async def test_it(netif_lan):
    pass
"""
    result = beside(["asyncio"], source)
    result.assert_outcomes(errors=1)
    assert "async with Lab(netif_seed, clock=" in result.stdout.str()


def test_a_timeout_ends_a_test_that_hangs_and_its_lan(beside):
    result = beside(["timeout"], OF_TIMEOUT)
    result.assert_outcomes(passed=1, failed=1)
    said = result.stdout.str()
    assert re.search(r"Timeout \(>0\.5s\)", said)
    assert "seed 0; to repeat: pytest test_it.py::test_hangs --netif-seed 0\n" in said


def test_randomly_shuffles_tests_and_not_the_dice_of_a_lan(beside):
    source = """
@pytest.mark.parametrize("n", range(6))
@pytest.mark.netif(loss="30%", only="tcp")
def test_dice(netif_pair, n):
    import random
    before = random.getstate()  # which randomly has seeded
    talk(netif_pair.client, netif_pair.server, netif_pair)
    assert random.getstate() == before
    print(f"TOLD {n} {len(netif_pair.trace)} {netif_pair.lan.now()}")
"""

    def told(seed):
        result = beside(["randomly"], source, "-s", f"--randomly-seed={seed}")
        result.assert_outcomes(passed=6)
        return re.findall(r"TOLD (\d) (.*)", result.stdout.str())

    first, second = told(1), told(2)
    assert first != second  # another order
    assert sorted(first) == sorted(second)
    assert len({what for _, what in first}) > 1
