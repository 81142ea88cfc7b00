from hypothesis import given, settings
from hypothesis import strategies as st

from fakes_server import HOP_LEN, Bench, pcm16
from streamscribe.events import Event
from streamscribe_server.mailbox import Audio, Command, Finish

AUDIO = [
    pcm16(0.1, 3 * HOP_LEN) + bytes(2 * 9_000) + pcm16(0.2, 5 * HOP_LEN),
    bytes(2 * 20_000) + pcm16(0.3, 2 * HOP_LEN + 77),
    pcm16(0.05, 7_000),
]


def commands_of(audio: bytes, cuts: list[int]) -> list[Command]:
    edges = [0, *sorted({cut % len(audio) for cut in cuts}), len(audio)]
    pieces = [Audio(audio[left:right]) for left, right in zip(edges, edges[1:], strict=False)]
    return [*pieces, Finish()]


def alone(audio: bytes) -> list[Event]:
    bench = Bench()
    bench.open("a")
    bench.post("a", *commands_of(audio, []))
    bench.work()
    return bench.events("a")


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.lists(st.integers(0, 10**6), max_size=8), min_size=3, max_size=3),
    order=st.lists(st.integers(0, 3), max_size=60),
    max_batch=st.integers(1, 3),
    tick_s=st.floats(0, 2),
)
def test_any_interleaving_of_streams_gives_the_same_events_where_nothing_is_left_out(
    cuts: list[list[int]], order: list[int], max_batch: int, tick_s: float
) -> None:
    bench = Bench(max_batch=max_batch, call_s=tick_s, coalesce=False)
    left = {str(number): commands_of(AUDIO[number], cuts[number]) for number in range(3)}
    for stream in left:
        bench.open(stream)
    for choice in order:
        stream = str(choice)
        if stream not in left:
            bench.turn()
        elif left[stream]:
            bench.post(stream, left[stream].pop(0))
    for stream, commands in left.items():
        bench.post(stream, *commands)
    bench.work()
    assert [bench.events(str(number)) for number in range(3)] == [alone(a) for a in AUDIO]
