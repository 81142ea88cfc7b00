import subprocess
import sys

import streamscribe_client

REPORT = """
import sys, time
before = time.perf_counter()
import streamscribe_client
took_s = time.perf_counter() - before
heavy = {"numpy", "onnxruntime", "streamscribe", "streamscribe_server", "websockets"}
print(f"{took_s:.3f}", *sorted(heavy & set(sys.modules)))
"""


def test_importing_the_client_is_quick_and_loads_nothing_heavy() -> None:
    run = [sys.executable, "-c", REPORT]
    reports = [subprocess.check_output(run, text=True).split() for _ in range(3)]
    assert min(float(took_s) for took_s, *_ in reports) < 0.3
    assert all(loaded == [] for _, *loaded in reports)


def test_the_public_names_are_few_and_sorted() -> None:
    names = streamscribe_client.__all__
    assert names == sorted(names)
    assert len(names) <= 15
    assert all(hasattr(streamscribe_client, name) for name in names)
