"""asyncio's transports and protocols on our hosts: what `loop.create_connection` and its kin are for kernel sockets.

Every function takes the loop, and the stack where there is no socket yet; `host.aio` has them as methods. Any loop will
do, on any runtime: a crank that is turned in another thread tells the loop by `call_soon_threadsafe`. Protocols are
called by the loop with the gate free, in the order in which asyncio does it.
"""
