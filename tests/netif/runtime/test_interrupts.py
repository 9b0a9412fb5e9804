"""Ctrl-C in every kind of wait: put off while inside a call, raised on leaving it, and nothing torn.

Each case is a program of its own, interrupted while its main thread sleeps where the case says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from netif.runtime import ThreadedRuntime, VirtualRuntime
from tests.netif.runtime.toys import two_hosts

PROLOGUE = """
import asyncio, os, signal, sys, threading, time
from netif.runtime import AsyncioRuntime, ThreadedRuntime, VirtualRuntime
from netif.runtime.poller import SelectorPoller
from tests.netif.runtime.toys import memory_pair, socket_pair, two_hosts

def ready():
    print("ready", flush=True)

def whole(runtime, *hosts):
    "The gate is free, the crank turns, and the next Ctrl-C is not pending."
    for host in hosts:
        host.under_gate(lambda: None)
    if len(hosts) == 2:
        hosts[0].send("check", "x")
        assert hosts[1].nic.seen[-1] == b"check:x"
    runtime.check()
    runtime.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print("whole", flush=True)
"""

THREADED = """
runtime = ThreadedRuntime(strict=True)
anna, bert = two_hosts(runtime, memory_pair)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
whole(runtime, anna, bert)
"""

CASES = {
    "a leader": THREADED.format(call='ready(); anna.get("never")'),
    "a leader with a deadline": THREADED.format(call='ready(); anna.get("never", 60)'),
    "a follower": THREADED.format(
        call="""runtime.spawn(lambda: bert.get("never")); runtime.run_for(0.05); ready(); anna.get("never")"""
    ),
    "a leader on the other poller": THREADED.format(call='ready(); anna.get("never")').replace(
        "strict=True", "strict=True, poller=SelectorPoller"
    ),
    "sleep": THREADED.format(call="ready(); runtime.sleep(60)"),
    "run_for": THREADED.format(call="ready(); runtime.run_for(60)"),
    "run_until": THREADED.format(call="ready(); runtime.run_until(lambda: False)"),
    "step": THREADED.format(call="ready(); runtime.step()"),
    "result": THREADED.format(call='task = runtime.spawn(lambda: bert.get("never")); ready(); task.result()'),
    "wait_closing": THREADED.format(
        call="""
    waiter, end = runtime.waiter("close", anna), runtime.now() + 60
    ready(); anna.under_gate(lambda: runtime.wait_closing(waiter, end))"""
    ),
    "the gate": THREADED.format(
        call="""
    def hold():
        runtime.enter(); ready(); time.sleep(1.0); runtime.leave()
    threading.Thread(target=hold).start(); time.sleep(0.1); anna.send("in", "x")"""
    ),
    "run_until in virtual time": """
runtime = VirtualRuntime()
anna, bert = two_hosts(runtime)
def busy():
    ready()
    while True:
        runtime.sleep(1)
runtime.spawn(busy)
try:
    runtime.run_until(lambda: False, timeout=1e12)
except KeyboardInterrupt:
    print("interrupted", flush=True)
whole(runtime, anna, bert)
""",
    "wait_closing in virtual time": """
runtime = VirtualRuntime()
anna, bert = two_hosts(runtime)
def busy():
    ready()
    while True:
        runtime.sleep(0.001)
runtime.spawn(busy)
try:
    anna.under_gate(lambda: runtime.wait_closing(runtime.waiter("close", anna), 1e12))
except KeyboardInterrupt:
    print("interrupted", flush=True)
whole(runtime, anna, bert)
""",
    "a loop in virtual time": """
runtime = VirtualRuntime()
anna, bert = two_hosts(runtime)
async def main():
    ready()
    while await anna.aget("never", 1) is None:
        pass
try:
    runtime.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
whole(runtime, anna, bert)
""",
    "a function that blocks outside of the virtual clock": """
runtime = VirtualRuntime()
anna, bert = two_hosts(runtime)
def stuck():
    ready()
    threading.Event().wait()
runtime.spawn(stuck)
try:
    runtime.run_until(lambda: False)
except KeyboardInterrupt:
    print("interrupted", flush=True)
whole(runtime, anna, bert)
""",
    "asyncio": """
async def main():
    global runtime, anna, bert
    runtime = AsyncioRuntime(strict=True)
    anna, bert = two_hosts(runtime, socket_pair)
    try:
        ready()
        await anna.aget("never")
    finally:
        anna.under_gate(lambda: None)
        runtime.check()
        runtime.close()
        print("whole", flush=True)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
}


def python(program, **options):
    return subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("program", CASES.values(), ids=CASES)
def test_ctrl_c_ends_the_call_and_tears_nothing(program):
    process = python(program)
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        threading.Event().wait(0.15)  # for the main thread to fall asleep; earlier would do as well
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert sorted(out.split()) == ["interrupted", "whole"], err
    assert err == ""
    assert process.returncode == 0


@pytest.mark.slow
def test_who_keeps_a_virtual_clock_from_moving_is_named():
    process = python(
        """
runtime = VirtualRuntime()
def stuck():
    sys.stdin.readline()
task = runtime.spawn(stuck, name="server/stuck")
runtime.run_until(task.done, timeout=1)
runtime.close()
""",
        stdin=subprocess.PIPE,
    )
    said = process.stderr.readline()
    assert said.startswith("server/stuck keeps the clock still, for 5 s now at stuck (")
    assert "use(host, clock=True)" in said
    out, err = process.communicate("go on\n", timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)


STORM = """
runtime = ThreadedRuntime(strict=True)
anna, bert = two_hosts(runtime, memory_pair)
bert.on_frame = lambda name, text: bert.outbox.append(b"back:" + text.encode())
count, clean, sent, over = 0, 0, 0, threading.Event()
caught = -1  # how many had come when the calls began again

def kill():
    global sent
    while not over.wait(0.0007):
        if caught == sent:  # whoever catches the next one is there: between two of them nobody is
            sent += 1
            os.kill(os.getpid(), signal.SIGINT)

killer = threading.Thread(target=kill)
ready()
killer.start()
while clean < 600:
    try:
        caught = clean
        while True:
            count += 1
            anna.send("in", str(count))
            if count % 7 == 0:
                anna.get("back", 0.001)
            if count % 11 == 0:
                runtime.sleep(0.0001)
    except KeyboardInterrupt:
        clean += 1
signal.signal(signal.SIGINT, signal.SIG_IGN)
over.set()
killer.join()
assert not [error for error in anna.aborted + bert.aborted]
anna.under_gate(lambda: None)
runtime.check()
runtime.close()
print("clean")
"""


def test_a_storm_of_interrupts_leaves_the_gate_clean_every_time():
    process = python(STORM)
    out, err = process.communicate(timeout=60)
    assert out.split() == ["ready", "clean"], err


@pytest.fixture
def own_handler():
    found = signal.getsignal(signal.SIGINT)
    seen = []
    signal.signal(signal.SIGINT, lambda signum, frame: seen.append(signum))
    yield seen
    signal.signal(signal.SIGINT, found)


def test_a_handler_of_the_programs_own_is_chained_to_and_the_wait_goes_on(own_handler):
    runtime = ThreadedRuntime()
    installed = signal.getsignal(signal.SIGINT)
    anna, bert = two_hosts(runtime)
    runtime.spawn(
        lambda: (
            runtime.sleep(0.01),
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT),
            runtime.sleep(0.01),
            anna.send("in", "hello"),
        )
    )
    assert bert.get("in", 10) == "hello"
    assert own_handler == [signal.SIGINT]
    signal.raise_signal(signal.SIGINT)
    assert len(own_handler) == 2
    runtime.close()
    assert signal.getsignal(signal.SIGINT) is installed


def test_outside_a_call_nothing_is_put_off(threaded):
    two_hosts(threaded)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_under_the_gate_it_comes_on_leaving(threaded):
    two_hosts(threaded)
    threaded.enter()
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        threaded.leave()
    threaded.enter()
    threaded.leave()


@pytest.mark.parametrize("order", ["first in, last out", "first in, first out"])
def test_runtimes_chain_and_the_found_handler_is_back_when_all_are_closed(order):
    found = signal.getsignal(signal.SIGINT)
    runtimes = [ThreadedRuntime(), VirtualRuntime(), ThreadedRuntime()]
    for runtime in runtimes:
        two_hosts(runtime)
    for runtime in runtimes:
        runtime.enter()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            runtime.leave()
    for runtime in runtimes if order.endswith("first out") else reversed(runtimes):
        runtime.close()
    assert signal.getsignal(signal.SIGINT) is found


def test_a_runtime_made_in_another_thread_leaves_the_handler_alone():
    found = signal.getsignal(signal.SIGINT)
    made = []
    thread = threading.Thread(target=lambda: two_hosts(made.append(ThreadedRuntime()) or made[0]))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is found
    made[0].close()


def test_a_spawn_that_is_cut_short_leaves_nothing_to_wait_for():
    """Ctrl-C between two lines of the stdlib's: the thread is known, and was never started."""
    runtime = ThreadedRuntime()

    def interrupt(frame, _event, _argument):
        if frame.f_code is threading.Thread.start.__code__:
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            runtime.spawn(print)
    finally:
        sys.settrace(before)
    runtime.close()
