"""What is closed is gone, at once; and what many say to a loop wakes it once."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref

from stack.socket.transports.readiness import Bell
from tests.stack.socket.transports.conftest import hang_up, meet


def test_transports_and_servers_go_without_the_collector(run_asyncio):
    async def scene(server, client):
        gone = []
        gc.disable()
        try:
            for _ in range(5):
                serving, echo, ours = await meet(server, client)
                ours.transport.write(b"x")
                await ours.has(1)
                gone += [weakref.ref(each) for each in (serving, echo.transport, ours.transport)]
                await hang_up(serving, ours, echo)
                del serving, echo, ours
            await asyncio.sleep(0.001)
            assert [each() for each in gone] == [None] * 15
        finally:
            gc.enable()

    assert run_asyncio(scene) == []


def test_what_other_threads_say_goes_by_one_wake_up():
    class Loop(asyncio.SelectorEventLoop):
        woken = 0

        def call_soon_threadsafe(self, callback, *arguments, context=None):
            self.woken += 1
            return super().call_soon_threadsafe(callback, *arguments, context=context)

    loop, bell, called = Loop(), Bell(True), []
    for number in range(100):  # no loop runs here, as none does in a thread
        bell.ring(loop, lambda number=number: called.append(number), contextvars.copy_context())
    assert loop.woken == 1
    loop.run_until_complete(asyncio.sleep(0.001))
    assert called == list(range(100))
    bell.ring(loop, loop.stop, contextvars.copy_context())
    assert loop.woken == 2
    loop.run_forever()
    loop.close()
    bell.ring(loop, loop.stop, contextvars.copy_context())  # nobody is there any more
