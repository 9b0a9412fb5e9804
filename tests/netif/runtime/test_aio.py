"""The asyncio runtime: the loop leads; coroutines wait behind futures; the gate survives a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from netif.runtime import AsyncioRuntime, ThreadedRuntime
from tests.netif.runtime.toys import two_hosts


def on_a_loop(body):
    """Run the coroutine function with a runtime of its own, and close that."""

    async def main():
        runtime = AsyncioRuntime(strict=True)
        try:
            async with asyncio.timeout(10):
                await body(runtime)
            runtime.check()
        finally:
            runtime.close()

    asyncio.run(main())


def gate_is_whole(runtime, host):
    host.under_gate(lambda: None)
    return True


def test_coroutines_play_ping_pong():
    async def body(runtime):
        anna, bert = two_hosts(runtime)

        async def serve():
            for _ in range(100):
                bert.send("back", await bert.aget("in"))

        server = runtime.spawn(serve)
        for turn in range(100):
            anna.send("in", str(turn))
            assert await anna.aget("back") == str(turn)
        await server

    on_a_loop(body)


def test_a_deadline_ends_an_awaiting_call():
    async def body(runtime):
        anna, _ = two_hosts(runtime)
        began = runtime.now()
        assert await anna.aget("never", 0.02) is None
        assert runtime.now() >= began + 0.0199

    on_a_loop(body)


def test_a_cancelled_task_leaves_the_gate_whole():
    async def body(runtime):
        anna, bert = two_hosts(runtime)
        tasks = [asyncio.create_task(bert.aget(f"box{n}")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks[::2], return_exceptions=True)
        assert all(task.cancelled() for task in tasks[::2])
        assert gate_is_whole(runtime, anna)
        for n in range(1, 10, 2):
            anna.send(f"box{n}", str(n))
        assert await asyncio.gather(*tasks[1::2]) == ["1", "3", "5", "7", "9"]

    on_a_loop(body)


def test_a_task_cancelled_in_the_moment_it_is_woken_leaves_the_gate_whole():
    async def body(runtime):
        anna, bert = two_hosts(runtime)
        for turn in range(20):
            task = asyncio.create_task(bert.aget(f"box{turn}"))
            await asyncio.sleep(0)
            anna.send(f"box{turn}", "hello")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert gate_is_whole(runtime, bert)
            assert await bert.aget(f"box{turn}") == "hello"

    on_a_loop(body)


def test_a_blocking_call_on_the_loops_own_thread_is_refused():
    async def body(runtime):
        anna, _ = two_hosts(runtime)
        for call in (
            lambda: anna.get("in"),
            lambda: anna.get("in", 1.0),
            lambda: runtime.sleep(1),
            lambda: runtime.run_for(1),
            lambda: runtime.run_until(lambda: False),
            lambda: runtime.spawn(lambda: anna.get("never", 0.5)).result(),
        ):
            with pytest.raises(RuntimeError, match="event loop"):
                call()
            assert gate_is_whole(runtime, anna)

    on_a_loop(body)


def test_closing_on_the_loops_own_thread_does_not_wait():
    async def body(runtime):
        anna, _ = two_hosts(runtime)
        began = runtime.now()
        assert anna.under_gate(lambda: runtime.wait_closing(runtime.waiter("close", anna), began + 5)) is False
        assert runtime.now() < began + 1

    on_a_loop(body)


def test_threads_are_followers():
    async def body(runtime):
        anna, bert = two_hosts(runtime)
        readers = [runtime.spawn(lambda n=n: bert.get(f"box{n}")) for n in range(3)]
        await asyncio.sleep(0.01)
        for n in range(3):
            anna.send(f"box{n}", str(n))
        assert [await reader for reader in readers] == ["0", "1", "2"]

        def write():
            for n in range(3):
                anna.send("in", str(n))
                assert anna.get("ack") == str(n)

        writer = runtime.spawn(write)
        for n in range(3):
            assert await bert.aget("in") == str(n)
            bert.send("ack", str(n))
        await writer

    on_a_loop(body)


def test_a_deadline_set_by_a_thread_moves_the_loops_timer():
    async def body(runtime):
        anna, _ = two_hosts(runtime)
        fired = asyncio.Event()
        anna.after(5, lambda: None)
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(anna.after, 0.01, fired.set)
        began = loop.time()
        await fired.wait()
        assert loop.time() - began < 2

    on_a_loop(body)


def test_an_exception_of_a_coroutine_comes_out_of_awaiting_its_task():
    async def body(runtime):
        async def fail():
            raise KeyError("spawned")

        task = runtime.spawn(fail)
        with pytest.raises(KeyError, match="spawned"):
            await task
        assert task.done()

    on_a_loop(body)


def test_close_cancels_coroutines_that_were_spawned():
    ended = []

    async def main():
        runtime = AsyncioRuntime()
        anna, _ = two_hosts(runtime)

        async def serve():
            try:
                await anna.aget("never")
            finally:
                ended.append("cleaned up")

        runtime.spawn(serve)
        await asyncio.sleep(0.01)
        runtime.close()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert ended == ["cleaned up"]


def test_handlers_run_on_the_loop():
    async def body(runtime):
        two_hosts(runtime)
        ran = asyncio.get_running_loop().create_future()
        runtime.post(lambda: ran.set_result(asyncio.get_running_loop()))
        assert await ran is asyncio.get_running_loop()

    on_a_loop(body)


def test_it_is_made_inside_a_running_loop():
    with pytest.raises(RuntimeError):
        AsyncioRuntime()


def test_a_threaded_runtime_can_be_awaited_too():
    async def main():
        threaded = ThreadedRuntime()
        anna, bert = two_hosts(threaded)
        task = asyncio.create_task(bert.aget("in"))
        await asyncio.sleep(0)
        await asyncio.to_thread(anna.send, "in", "hello")
        assert await task == "hello"
        cancelled = asyncio.create_task(bert.aget("in"))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert gate_is_whole(threaded, anna)
        assert await bert.aget("in", 0.01) is None
        threaded.close()

    asyncio.run(main())
