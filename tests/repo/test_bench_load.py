"""The arithmetic of the benchmarks of many streams, and one of them played in small."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from bench import capacity
from bench.capacity import most, summary, why_not
from bench.command import SPEECH, Request
from bench.fairness import apart
from bench.outcome import Figures
from bench.overload import errors_in, growth
from bench.resident import Resident
from bench.server_metrics import parse, quantile, told_between
from bench.stream_load import known_capacity
from click.testing import CliRunner

TOLD = """\
# HELP streamscribe_busy_ratio Part of the time.
# TYPE streamscribe_busy_ratio gauge
streamscribe_busy_ratio 0.75
streamscribe_batch_size_bucket{le="1.0"} 4.0
streamscribe_batch_size_bucket{le="+Inf"} 10.0
streamscribe_batch_size_count 10.0
streamscribe_batch_size_sum 25.0
streamscribe_event_loop_lag_seconds_bucket{le="0.001"} 90.0
streamscribe_event_loop_lag_seconds_bucket{le="0.01"} 199.0
streamscribe_event_loop_lag_seconds_bucket{le="+Inf"} 200.0
streamscribe_stage_seconds_bucket{stage="send",le="+Inf"} 7.0
"""


def searched(capacity_is: int, numbers: tuple[int, ...] = (4, 8, 16, 32)) -> tuple[int, list[int]]:
    """What the search finds, and what it tried, where ``capacity_is`` streams hold."""
    tried: list[int] = []

    def holds(streams: int) -> bool:
        tried.append(streams)
        return streams <= capacity_is

    return most(holds, numbers), tried


def load(**changed: Any) -> Figures:  # noqa: ANN401
    good: Figures = {
        "streams": 8,
        "refused": 0,
        "failed": 0,
        "stopped_early": False,
        "finals": {"count": 30, "p50_s": 0.9, "p95_s": 1.2},
        "partials": {"count": 300, "p50_s": 0.1, "p95_s": 0.4},
        "hop": {"audio": {"count": 300, "p50_s": 0.5, "p95_s": 0.8}},
        "server": {"mean_batch": 2.5},
        "why_not": [],
    }
    return good | changed


# Capacity


def test_the_search_goes_up_and_then_halves_the_gap() -> None:
    assert searched(13) == (13, [4, 8, 16, 12, 14, 13])


def test_a_capacity_below_the_first_step_is_found_too() -> None:
    assert searched(1) == (1, [4, 2, 1])
    assert searched(0) == (0, [4, 2, 1])


def test_where_every_step_holds_the_last_one_is_the_answer() -> None:
    assert searched(100) == (32, [4, 8, 16, 32])


def test_among_many_streams_a_gap_of_a_few_is_near_enough() -> None:
    found, tried = searched(27, (24, 32))
    assert (found, tried) == (26, [24, 32, 28, 26])


def test_a_load_in_time_holds() -> None:
    assert why_not(load()) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"refused": 1}, "1 refused"),
        ({"failed": 2}, "2 failed"),
        ({"stopped_early": True}, "given up"),
        ({"finals": {"count": 0}}, "no finals"),
        ({"finals": {"count": 9, "p95_s": 1.51}}, "finals late"),
        ({"hop": {"audio": {"count": 9, "p50_s": 1.01}}}, "hop long"),
    ],
)
def test_a_load_that_does_not_hold_says_why(changed: Figures, reason: str) -> None:
    assert why_not(load(**changed)) == [reason]


def test_the_summary_is_of_the_last_load_that_held_and_sets_it_against_the_baseline() -> None:
    worse = load(streams=16, finals={"count": 60, "p50_s": 2.0, "p95_s": 4.0})
    found = summary(
        {
            "batched": {"capacity": 8, "points": [load(), worse]},
            "one_at_a_time": {"capacity": 4, "points": []},
        }
    )
    assert (found["capacity"], found["final_p95_s"], found["times_one_at_a_time"]) == (8, 1.2, 2)


def test_without_a_capacity_there_is_nothing_to_compare() -> None:
    found = summary({"batched": {"capacity": 0, "points": [load()]}})
    assert found == {"capacity": 0}


def test_steps_that_do_not_grow_are_refused() -> None:
    with pytest.raises(click.UsageError, match="whole numbers that grow"):
        capacity._numbers("8,4")
    with pytest.raises(click.UsageError, match="whole numbers that grow"):
        capacity._numbers("four")


def test_the_capacity_found_is_read_from_beside_the_result_that_will_be_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "capacity.json").write_text(json.dumps({"figures": {"capacity": 7}}))
    request = Request(tmp_path, None, tmp_path / "fairness.json")
    assert known_capacity(request, None) == 7
    assert known_capacity(request, 3) == 3


def test_without_a_known_capacity_one_has_to_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.stream_load.RESULTS", tmp_path)
    with pytest.raises(click.UsageError, match="bench capacity"):
        known_capacity(Request(tmp_path, None, None), None)


# Fairness, overload


def stream(p95_s: float, count: int = 20) -> Figures:
    return {"finals": {"count": count, "p95_s": p95_s}}


def test_fairness_sets_the_slowest_stream_against_the_median_one() -> None:
    found = apart([stream(1.0), stream(1.0), stream(1.8)], "finals")
    assert (found["median_p95_s"], found["slowest_p95_s"], found["ratio"]) == (1.0, 1.8, 1.8)


def test_streams_with_too_few_texts_say_nothing_about_fairness() -> None:
    assert apart([stream(1.0), stream(9.0, count=2)], "finals")["ratio"] == 1.0
    assert apart([stream(9.0, count=2)], "finals") == {}


def test_memory_grows_from_the_second_quarter_of_the_counted_part_to_the_last() -> None:
    resident = Resident.__new__(Resident)
    resident.at_s = [0, 13, 30, 40, 50, 80, 100, 112]
    resident.mb = [900, 100, 150, 200, 200, 400, 230, 230]
    assert growth(resident, 100)["growth_mb"] == 30


def test_a_refusal_is_no_error_of_the_server_and_a_failure_is() -> None:
    refused = "1 ERROR uvicorn.error: ASGI callable returned without completing handshake."
    failed = "2 ERROR streamscribe_server.scheduler: a model call failed"
    log = f"0 INFO all is well\n{refused}\n{failed}\nTraceback:\nKeyError: 'odd'\n"
    assert errors_in(log) == [failed]


# What the server says


def test_metrics_are_read_and_set_against_those_before() -> None:
    before = parse(TOLD.replace("10.0", "6.0").replace("25.0", "9.0"))
    found = told_between(before, parse(TOLD))
    assert (found["mean_batch"], found["model_calls"], found["busy_ratio"]) == (4.0, 4.0, 0.75)


def test_a_quantile_is_the_bound_that_it_stays_below() -> None:
    buckets = parse(TOLD).buckets["streamscribe_event_loop_lag_seconds"]
    assert quantile({}, buckets, 0.99) == 0.01
    assert quantile({}, buckets, 0.4) == 0.001


def test_only_what_came_since_counts_for_a_quantile() -> None:
    before = {0.001: 90.0, 0.01: 90.0, float("inf"): 90.0}
    after = {0.001: 90.0, 0.01: 100.0, float("inf"): 100.0}
    assert quantile(before, after, 0.1) == 0.01


def test_a_quantile_of_nothing_or_beyond_the_last_bound_is_not_known() -> None:
    assert quantile({}, {}, 0.99) is None
    assert quantile({}, {0.001: 0.0, float("inf"): 10.0}, 0.99) is None


def test_a_server_without_these_metrics_says_nothing() -> None:
    assert told_between(parse(""), parse("# nothing\n")) == {}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(not SPEECH.is_dir(), reason=f"no real speech at {SPEECH}")
def test_capacity_plays_real_speech_through_a_real_server(tmp_path: Path) -> None:
    out = tmp_path / "capacity.json"
    result = CliRunner().invoke(
        capacity.main,
        ["--steps", "1", "--seconds", "12", "--limit", "3", "--baseline", "", "--out", str(out)],
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())["figures"]
    [point] = figures["batched"]["points"]
    assert (point["connected"], point["refused"], point["failed"]) == (1, 0, 0)
    assert point["finals"]["count"] >= 1 and point["partials"]["count"] >= 5
    assert out.with_suffix(".svg").exists()
