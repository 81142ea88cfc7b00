import threading

import pytest

from streamscribe_server.metric_families import MAX_VALUES, OTHER
from streamscribe_server.metrics import Metrics


def test_what_happened_is_what_is_exposed() -> None:
    metrics = Metrics()
    metrics.stage("model", 0.02)
    metrics.batch(3)
    metrics.step("final", 0.25)
    metrics.audio(1.5)
    metrics.sessions(live=2, parked=1)
    metrics.closed("done")
    assert metrics.value("streamscribe_stage_seconds_sum", stage="model") == 0.02
    assert metrics.value("streamscribe_batch_size_sum") == 3
    assert metrics.value("streamscribe_step_lag_seconds_sum", kind="final") == 0.25
    assert metrics.value("streamscribe_steps_total", kind="final") == 1
    assert metrics.value("streamscribe_audio_seconds_total") == 1.5
    assert metrics.value("streamscribe_sessions", state="live") == 2
    assert metrics.value("streamscribe_sessions", state="parked") == 1
    assert metrics.value("streamscribe_sessions_closed_total", reason="done") == 1


def test_every_stage_and_kind_is_there_before_anything_happened() -> None:
    text = Metrics().exposition()[0].decode()
    assert 'streamscribe_stage_seconds_count{stage="vad"} 0.0' in text
    assert 'streamscribe_step_lag_seconds_count{kind="partial"} 0.0' in text
    assert 'streamscribe_sessions{state="parked"} 0.0' in text


def test_what_alerts_look_at_is_there_before_it_happens_the_first_time() -> None:
    value = Metrics().value
    assert value("streamscribe_watchdog_total", reason="model_hung") == 0
    assert value("streamscribe_errors_total", code="internal") == 0
    assert value("streamscribe_sessions_refused_total", reason="unauthorized") == 0


def test_two_applications_in_one_process_do_not_count_together() -> None:
    one, other = Metrics(), Metrics()
    one.error("internal")
    assert one.value("streamscribe_errors_total", code="internal") == 1
    assert other.value("streamscribe_errors_total", code="internal") == 0


def test_of_several_engines_the_busiest_counts() -> None:
    metrics = Metrics()
    metrics.busy(0.25, engine="one")
    metrics.busy(0.75, engine="other")
    metrics.busy(0.5, engine="one")
    assert metrics.value("streamscribe_busy_ratio") == 0.75
    metrics.busy(0.125, engine="other")
    assert metrics.value("streamscribe_busy_ratio") == 0.5


def test_values_of_a_label_are_bounded_however_many_come() -> None:
    metrics = Metrics()
    for number in range(MAX_VALUES + 100):
        metrics.error(f"code_{number}")
    assert metrics.exposition()[0].count(b"streamscribe_errors_total{") == MAX_VALUES + 1
    assert metrics.value("streamscribe_errors_total", code=OTHER) == 101  # internal is known


def test_nothing_is_lost_when_many_threads_count() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(1_000):
            metrics.step("partial", 0.01)
            metrics.refused("overloaded")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.value("streamscribe_steps_total", kind="partial") == 8_000
    assert metrics.value("streamscribe_step_lag_seconds_count", kind="partial") == 8_000
    assert metrics.value("streamscribe_sessions_refused_total", reason="overloaded") == 8_000


@pytest.mark.parametrize("lag_ms", [1, 2, 5, 10, 20, 50, 100, 500])
def test_the_event_loops_lag_is_told_finely(lag_ms: int) -> None:
    metrics = Metrics()
    metrics.loop_lag(lag_ms / 1_000)
    name = "streamscribe_event_loop_lag_seconds_bucket"
    assert metrics.value(name, le=str(lag_ms / 1_000)) == 1


def test_a_step_that_was_early_counts_as_on_time() -> None:
    metrics = Metrics()
    metrics.step("final", -4.0)
    assert metrics.value("streamscribe_step_lag_seconds_sum", kind="final") == 0


def test_openmetrics_is_written_for_those_who_ask_for_it() -> None:
    metrics = Metrics()
    plain, plain_type = metrics.exposition()
    opened, opened_type = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert plain_type.startswith("text/plain")
    assert opened_type.startswith("application/openmetrics-text")
    assert opened.endswith(b"# EOF\n")
    assert b"# EOF" not in plain


def test_times_of_creation_are_left_out() -> None:
    metrics = Metrics()
    metrics.opened()
    assert b"_created" not in metrics.exposition()[0]
