"""What an idle connection keeps: DESIGN's bound of 4 KiB for each end, its socket and its place in every table too."""

import gc
import tracemalloc

import pytest

from tests.bench.scale import Crowd, exchange, opener
from tests.bench.scripted import Wire, scene

COUNT = 320  # enough for what is made once, whoever comes first, to weigh little
BOUND = 4096  # bytes


@pytest.mark.parametrize("client", [False, True], ids=["accepted", "connected"])
def test_an_idle_endpoint_that_has_spoken_fits_in_4_kib(client):
    wire = Wire()
    crowd = Crowd(wire, COUNT)
    host, netif = scene(wire)
    with host, netif, opener(host, crowd, COUNT, client) as make:
        first = [make(index) for index in range(20)]
        exchange(crowd, first, range(20))
        tracemalloc.start()
        try:
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            rest = [make(index) for index in range(20, COUNT)]
            exchange(crowd, first + rest, range(20, COUNT))
            gc.collect()
            each = (tracemalloc.get_traced_memory()[0] - before) / len(rest)
        finally:
            tracemalloc.stop()
        for end in first + rest:
            end.configure(linger=0)
            end.close()
    assert each <= BOUND
