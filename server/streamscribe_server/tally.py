"""How much audio of a session came, and how much of it was decided on.

Two clocks run side by side: the client's, in samples at its declared rate, and the engine's, at
16 kHz. Both go on from where the session begins, which is 0 unless it takes up another one.
"""

from streamscribe.timeline import SAMPLE_RATE, at_to_ms
from streamscribe_protocol.messages import Heartbeat
from streamscribe_server.mailbox import Open, Progress
from streamscribe_server.outbox import UNNUMBERED


class Tally:
    """Counts the audio of one session."""

    def __init__(self, terms: Open, from_at: int) -> None:
        self._rate_hz = terms.format.rate_hz
        self._frame_bytes = terms.format.frame_bytes
        self.from_at = from_at
        """The first sample that is wanted, on the client's clock."""
        self._start_at = terms.continuation.start_at if terms.continuation else 0
        self._decided_at = self._start_at
        self._compute_s = 0.0
        self._received_bytes = 0
        self._repeated_bytes = 0

    @property
    def received_at(self) -> int:
        """Where the audio that came ends, on the client's clock; whole samples only."""
        return self.from_at + self._received_bytes // self._frame_bytes

    @property
    def backlog_s(self) -> float:
        """Seconds of audio that came and were not decided on."""
        received_s = self._received_bytes / (self._rate_hz * self._frame_bytes)
        return max(0.0, received_s - self._decided_s)

    @property
    def _decided_s(self) -> float:
        return (self._decided_at - self._start_at) / SAMPLE_RATE

    def receive(self, data: bytes) -> bytes:
        """Count ``data``; gives what of it had not come before."""
        new = data[self._repeated_bytes :]
        self._repeated_bytes -= len(data) - len(new)
        self._received_bytes += len(new)
        return new

    def repeat(self) -> None:
        """The client goes on from ``received_at``: a sample that was cut comes as a whole again."""
        self._repeated_bytes = self._received_bytes % self._frame_bytes

    def progress(self, progress: Progress) -> None:
        """The engine has come further."""
        self._decided_at = progress.decided_at
        self._compute_s = progress.compute_s

    def heartbeat(self) -> Heartbeat:
        """All of it as a message."""
        decided_s = self._decided_s
        return Heartbeat(
            UNNUMBERED,
            received_at=self.received_at,
            heard_ms=at_to_ms(self._decided_at),
            lag_ms=round(self.backlog_s * 1_000),
            realtime_factor=round(self._compute_s / decided_s, 4) if decided_s else 0.0,
        )
