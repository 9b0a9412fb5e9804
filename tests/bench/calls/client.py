"""One client for all web servers: `http.client` on kernel sockets, in a namespace, on a CPU of its own.

`python -m tests.bench.calls.client ROW HOST SECONDS --netns NS [--cpu N] [--server PID]` prints one JSON object.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import ssl
import time

from tests.bench.calls.server import PAGES, PORT
from tests.bench.client import latencies
from tests.host.namespaces import enter_netns

PATIENCE = 10.0  # seconds after which a silent server fails the row


def requests(path: str, secure: bool, anew: bool, host: str, seconds: float) -> dict[str, float]:
    """One after another; `anew`: on a connection each."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    page = PAGES[path]

    def connection() -> http.client.HTTPConnection:
        if secure:
            return http.client.HTTPSConnection(host, PORT, timeout=PATIENCE, context=context)
        return http.client.HTTPConnection(host, PORT, timeout=PATIENCE)

    asked = connection()
    marks = []
    end = time.perf_counter() + seconds
    for n in itertools.count():
        asked.request("GET", path)
        if asked.getresponse().read() != page:
            raise ConnectionError("another page came")
        if anew:
            asked.close()
            asked = connection()
        if n:  # the first pays for what is imported, and for the congestion window
            marks.append(time.perf_counter())
        if len(marks) > 1 and marks[-1] >= end:
            asked.close()
            return latencies(len(page), marks)._asdict()
    raise AssertionError


ROWS = {  # path, secure, anew
    "small": ("/", False, False),
    "small-anew": ("/", False, True),
    "large": ("/large", False, False),
    "tls-small": ("/", True, False),
    "tls-anew": ("/", True, True),
    "tls-large": ("/large", True, False),
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("host")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--netns")
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--server", type=int, metavar="PID", help="tell what CPU time this process takes, too")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    if options.netns:
        enter_netns(options.netns)
    clock = None if options.server is None else ~options.server << 3 | 2  # CPUCLOCK_SCHED of another process
    before = time.clock_gettime(clock) if clock is not None else 0.0
    outcome = requests(*ROWS[options.row], options.host, options.seconds)
    if clock is not None:
        outcome["server_cpu"] = time.clock_gettime(clock) - before
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
