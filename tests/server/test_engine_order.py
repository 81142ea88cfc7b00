"""Whose step is computed first, with a clock of our own."""

from dataclasses import replace

from fakes_server import PCM16, SPEECH, Bench
from streamscribe.events import Partial
from streamscribe.model import StepKind
from streamscribe.options import SessionOptions
from streamscribe_server.mailbox import Audio, Finish, Flush


def test_a_sender_faster_than_real_time_does_not_delay_a_live_stream() -> None:
    bench = Bench(call_s=0.1)
    bench.open("file")
    bench.open("live")
    bench.post("file", Audio(SPEECH * 200))
    waits_s = []
    for hop in range(40):
        bench.now_s = max(bench.now_s, 0.5 * hop)
        spoken_s = bench.now_s
        told = len(bench.events("live"))
        bench.post("live", Audio(SPEECH))
        while len(bench.events("live")) == told:
            bench.turn()
        waits_s.append(bench.now_s - spoken_s)
        while bench.now_s < 0.5 * (hop + 1) and bench.turn():
            pass
    # Five calls fit into each half second: four are left to the file, once its credit is used.
    assert max(waits_s[8:]) <= 0.2 + 1e-9
    assert len(bench.events("file")) > 100


def test_a_file_without_partials_leaves_live_partials_their_turn() -> None:
    bench = Bench(call_s=0.1)
    bench.open("file")
    bench.open("live")
    for number in range(100):  # each flush closes a segment: nothing but finals
        bench.post("file", Audio(SPEECH[:-2]), Flush(str(number)))
    while bench.now_s < 5.0:
        bench.turn()
    bench.post("live", Audio(SPEECH))
    bench.turn()
    assert set(bench.kinds[:-1]) == {StepKind.FINAL}
    assert any(isinstance(event, Partial) for event in bench.events("live"))


def test_of_steps_whose_time_has_come_finals_are_first() -> None:
    bench = Bench()
    bench.open("partial")
    bench.open("final")
    bench.post("partial", Audio(SPEECH))
    bench.now_s = 1.0
    bench.post("final", Audio(SPEECH[:100]), Finish())
    bench.now_s = 2.0
    bench.work()
    assert bench.kinds == [StepKind.FINAL, StepKind.PARTIAL]


def test_equal_streams_take_turns() -> None:
    bench = Bench()
    for stream in ("a", "b", "c"):
        bench.open(stream)
        bench.post(stream, Audio(SPEECH * 3))
    for _ in range(6):
        bench.turn()
    assert [len(bench.events(stream)) for stream in ("a", "b", "c")] == [3, 3, 3]


# --- batches


def test_a_batch_holds_steps_of_one_class() -> None:
    bench = Bench(max_batch=8)
    for stream in ("a", "b", "c"):
        bench.open(stream)
    bench.post("a", Audio(SPEECH))
    bench.post("b", Audio(SPEECH))
    bench.post("c", Audio(SPEECH[:100]), Finish())
    bench.work()
    assert (bench.batches, bench.kinds[0]) == ([1, 2], StepKind.FINAL)


def test_free_workers_share_what_waits() -> None:
    bench = Bench(max_batch=8)
    for stream in ("a", "b", "c", "d", "e"):
        bench.open(stream)
        bench.post(stream, Audio(SPEECH))
    assert not bench.engine.advance()
    sizes = []
    for free in (2, 1):
        batch = bench.engine.next_batch(free)
        assert batch is not None
        sizes.append(len(batch.parts))
    assert sizes == [3, 2]
    assert bench.engine.next_batch(1) is None


def test_a_batch_is_no_larger_than_what_is_computed_in_time() -> None:
    bench = Bench(max_batch=8, call_s=0.15)
    for stream in range(8):
        bench.open(str(stream))
    live(bench, streams=1, seconds=20)  # 0.15 s for each step
    bench.batches.clear()
    for stream in range(8):
        bench.post(str(stream), Audio(SPEECH))
    bench.work()
    assert bench.batches == [1] * 8


def test_a_partial_with_a_shorter_hop_has_the_earlier_deadline() -> None:
    bench = Bench()
    bench.open("patient", replace(PCM16, options=SessionOptions(hop_ms=2_000)))
    bench.open("eager")
    bench.post("patient", Audio(SPEECH))
    bench.now_s = 0.5
    bench.post("eager", Audio(SPEECH))
    bench.now_s = 1.0
    bench.engine.advance()
    batch = bench.engine.next_batch(1)
    assert batch is not None
    assert [part.stream_id for part in batch.parts] == ["eager"]


# --- what is left out under load


def live(bench: Bench, streams: int, seconds: int) -> None:
    """``streams`` people talk for so long, in real time."""
    for hop in range(2 * seconds):
        bench.now_s = max(bench.now_s, 0.5 * hop)
        for stream in range(streams):
            bench.post(str(stream), Audio(SPEECH))
        while bench.now_s < 0.5 * (hop + 1) and bench.turn():
            pass


def left_out(bench: Bench) -> float:
    return bench.metrics.value("streamscribe_steps_coalesced_total") or 0.0


def test_a_machine_that_keeps_up_leaves_nothing_out() -> None:
    bench = Bench(call_s=0.1)
    for stream in range(4):
        bench.open(str(stream))
    live(bench, streams=4, seconds=20)
    assert left_out(bench) == 0


def test_an_overloaded_machine_leaves_out_partials_and_keeps_up_with_the_audio() -> None:
    bench = Bench(call_s=0.1)
    for stream in range(12):  # of which five could be served whole
        bench.open(str(stream))
    live(bench, streams=12, seconds=60)
    bench.work()
    assert left_out(bench) > 0
    assert bench.now_s < 60 + 3.0
    assert all(len(bench.finals(str(stream))) > 20 for stream in range(12))


def test_no_stream_starves_on_an_overloaded_machine() -> None:
    bench = Bench(call_s=0.1)
    for stream in range(12):
        bench.open(str(stream))
    live(bench, streams=12, seconds=60)
    shown = [
        sum(isinstance(event, Partial) for event in bench.events(str(stream)))
        for stream in range(12)
    ]
    assert min(shown) > 0.7 * max(shown)


def test_files_pushed_at_once_are_never_thinned_out() -> None:
    bench = Bench(call_s=0.1)
    for stream in ("a", "b", "c"):  # three times 0.1 s for every half second of audio
        bench.open(stream)
        bench.post(stream, Audio(SPEECH * 60), Finish())
    bench.work()
    assert left_out(bench) == 0


def test_a_final_is_never_left_out() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(SPEECH * 8))
    bench.now_s = 100.0
    bench.work()
    assert len(bench.finals("a")) == 2


def test_without_coalescing_every_partial_is_computed() -> None:
    bench = Bench(coalesce=False)
    bench.open("a")
    bench.post("a", Audio(SPEECH * 8))
    bench.now_s = 100.0
    bench.work()
    assert len(bench.kinds) == 8
