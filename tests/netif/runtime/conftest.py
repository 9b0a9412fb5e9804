"""The three runtimes behind one face, so that one contract test class can try them all."""

from __future__ import annotations

import asyncio
import threading

import pytest

from netif.runtime import AsyncioRuntime, ThreadedRuntime, VirtualRuntime


class LoopThread:
    """An event loop in a thread of its own: to its AsyncioRuntime, the test's thread is a foreign one."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def call(self, fn):
        """Run `fn` on the loop and answer what it returned."""

        async def body():
            return fn()

        return asyncio.run_coroutine_threadsafe(body(), self.loop).result(10)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def loop_thread():
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture(params=["threaded", "virtual", "asyncio"])
def kind(request):
    return request.param


@pytest.fixture
def new_runtime(kind, request):
    """Makes runtimes of one kind, and closes them."""
    made = []

    def make(**options):
        if kind == "asyncio":
            loop = request.getfixturevalue("loop_thread")
            made.append(loop.call(lambda: AsyncioRuntime(**options)))
        else:
            made.append({"threaded": ThreadedRuntime, "virtual": VirtualRuntime}[kind](**options))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


@pytest.fixture
def runtime(new_runtime):
    return new_runtime()


@pytest.fixture
def threaded():
    runtime = ThreadedRuntime()
    yield runtime
    runtime.close()


@pytest.fixture
def virtual():
    runtime = VirtualRuntime(seed=1)
    yield runtime
    runtime.close()


@pytest.fixture
def when():
    """Run `condition` to come true on a runtime, whatever clock it has; any wait of a test is bounded by this."""

    def until(runtime, condition, timeout=10):
        runtime.run_until(condition, timeout)

    return until
