"""Whose step is computed first, with a clock of our own."""

from fakes_server import SPEECH, Bench
from streamscribe.events import Partial
from streamscribe.model import StepKind
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
            bench.engine.turn()
        waits_s.append(bench.now_s - spoken_s)
        while bench.now_s < 0.5 * (hop + 1) and bench.engine.turn():
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
        bench.engine.turn()
    bench.post("live", Audio(SPEECH))
    bench.engine.turn()
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
        bench.engine.turn()
    assert [len(bench.events(stream)) for stream in ("a", "b", "c")] == [3, 3, 3]
