"""What has to hold whatever clients, networks and machines do."""

from typing import Final

from bench.target import Target


def _chaos(part: str, shown: str) -> tuple[Target, ...]:
    return (
        Target("chaos", (part, "words_lost"), f"{shown}: words lost", "words", 0),
        Target("chaos", (part, "words_doubled"), f"{shown}: words doubled", "words", 0),
        Target("chaos", (part, "promises_broken"), f"{shown}: promises broken", "events", 0),
        Target("chaos", (part, "failed"), f"{shown}: streams that ended in an error", "streams", 0),
        Target("chaos", (part, "server_errors"), f"{shown}: errors logged", "lines", 0),
        Target("chaos", (part, "breaks"), f"{shown}: connections broken", "breaks"),
        Target("chaos", (part, "other_percent"), f"{shown}: words that came out otherwise", "%"),
    )


ROBUSTNESS_TARGETS: Final = (
    Target("fuzz", ("conversations", "frames"), "frames sent", "frames", 100_000, at_least=True),
    Target("fuzz", ("conversations", "faults"), "answers that are not documented", "answers", 0),
    Target("fuzz", ("attack_faults",), "the same of clients rude by timing", "answers", 0),
    Target("fuzz", ("log", "tracebacks"), "tracebacks logged", "tracebacks", 0),
    Target("fuzz", ("log", "errors"), "errors logged", "lines", 0),
    Target("fuzz", ("after", "healthy"), "server up afterwards", "servers", 1, at_least=True),
    Target("fuzz", ("bystander", "texts_changed"), "texts changed beside it", "texts", 0),
    Target(
        "fuzz", ("conversations", "memory_mb_by_frame", "surely_grew_percent"),
        "memory surely grown over the frames", "%", 2,
    ),
    Target("soak", ("audio_h",), "audio heard", "h", 2, at_least=True),
    Target(
        "soak", ("resident_mb_per_hour", "surely_grew_percent"), "memory surely grown", "%", 1
    ),
    Target(
        "soak", ("cpu_s_per_minute", "surely_grew_percent"),
        "computing per minute of audio surely grown", "%", 1,
    ),
    Target(
        "soak", ("wall_s_per_minute", "surely_grew_percent"),
        "time per minute of audio surely grown", "%", 1,
    ),
    Target("soak", ("texts_different",), "texts other than of a session alone", "texts", 0),
    Target("soak", ("times_real_time",), "eight sessions against real time", "x"),
    *_chaos("cuts", "cuts"),
    *_chaos("kills", "kills"),
)  # fmt: skip
