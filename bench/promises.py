"""What every stream of events has to keep, whatever happens to its connection."""

from collections.abc import Iterable

from streamscribe_client.events import StreamEvent
from streamscribe_protocol.messages import Endpoint, Error, Final, Gap, Partial, SpeechStarted


def broken_promises(events: Iterable[StreamEvent]) -> list[str]:
    """What is wrong with all events of one stream, in its words.

    Of every segment, in order: one start, one endpoint, one final; text that was committed stays;
    no audio is missing; nothing is an error.
    """
    watch = _Watch()
    for event in events:
        watch.see(event)
    if watch.open is not None:
        watch.wrong.append(f"segment {watch.open} never got its final")
    return watch.wrong


class _Watch:
    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.open: int | None = None
        self._next = 0
        self._promised = ""
        self._ended = False

    def see(self, event: StreamEvent) -> None:
        match event:
            case SpeechStarted(segment=segment):
                self._start(segment)
            case Partial(segment=segment, text=text, committed=committed):
                self._expect_open("partial", segment)
                self._keep(segment, text, text[:committed])
            case Endpoint(segment=segment):
                self._expect_open("endpoint", segment)
                if self._ended:
                    self.wrong.append(f"segment {segment} got a second endpoint")
                self._ended = True
            case Final(segment=segment, text=text):
                self._expect_open("final", segment)
                if not self._ended:
                    self.wrong.append(f"segment {segment} got a final without an endpoint")
                self._keep(segment, text, text)
                self.open = None
            case Gap(from_at=from_at, to_at=to_at):
                self.wrong.append(f"audio from {from_at} to {to_at} is missing")
            case Error(code=code, message=message):
                self.wrong.append(f"error {code}: {message}")

    def _start(self, segment: int) -> None:
        if self.open is not None:
            self.wrong.append(f"segment {segment} began before the final of {self.open}")
        if segment != self._next:
            self.wrong.append(f"segment {segment} began where {self._next} is next")
        self.open, self._next, self._promised, self._ended = segment, segment + 1, "", False

    def _expect_open(self, what: str, segment: int) -> None:
        if segment != self.open:
            self.wrong.append(f"a {what} came for segment {segment}; open is {self.open}")

    def _keep(self, segment: int, text: str, committed: str) -> None:
        if not text.startswith(self._promised) or len(committed) < len(self._promised):
            self.wrong.append(f"segment {segment}: {self._promised!r} became {committed!r}")
        self._promised = committed
