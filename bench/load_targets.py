"""What the benchmarks of many streams have to reach."""

from typing import Final

from bench.target import Target

LOAD_TARGETS: Final = (
    Target("capacity", ("capacity",), "live streams with finals in time", "streams"),
    Target("capacity", ("final_p95_s",), "finals at that capacity, p95", "s", 1.5),
    Target("capacity", ("partial_p95_s",), "partials at that capacity, p95", "s"),
    Target("capacity", ("hop_p50_s",), "effective hop at that capacity, p50", "s", 1.0),
    Target("capacity", ("times_one_at_a_time",), "capacity against one session at a time", "x"),
    Target(
        "fairness", ("fair", "finals", "ratio"), "slowest stream's p95 to the median's", "x", 1.5
    ),
    Target("fairness", ("finals", "p95_s"), "minutes at capacity: finals, p95", "s", 1.5),
    Target("overload", ("finals", "p95_s"), "twice the capacity: finals, p95", "s", 2.0),
    Target("overload", ("refusal", "max_s"), "twice the capacity: slowest refusal", "s", 1.0),
    Target("overload", ("failed",), "twice the capacity: streams that broke", "streams", 0),
    Target("overload", ("crashed",), "twice the capacity: crashes", "crashes", 0),
    Target("overload", ("memory", "growth_mb"), "twice the capacity: memory grown", "MB", 10),
    Target("idle", ("per_stream_mb",), "an idle stream of 1,000", "MB", 5),
    Target("idle", ("broken",), "idle streams that broke", "streams", 0),
    Target("idle", ("among", "finals", "p95_s"), "a live stream among them: finals, p95", "s", 1.5),
)
