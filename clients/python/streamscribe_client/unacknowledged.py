"""Audio that the server may still need: since its last acknowledgement, within a bound.

Positions are samples of the stream, at the declared rate; the buffer itself counts bytes, because
audio may be handed over in pieces that end inside a sample. ``start_at <= end_at`` always.
"""


class Unacknowledged:
    """A buffer on the stream's own positions. Nothing is ever lost but by ``drop_oldest``."""

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        """Bytes of one sample of all channels."""
        self._kept = bytearray()
        self._start_byte = 0

    @property
    def start_at(self) -> int:
        """First sample that is kept."""
        return self._start_byte // self._frame_bytes

    @property
    def start_byte(self) -> int:
        """Its first byte."""
        return self._start_byte

    @property
    def end_at(self) -> int:
        """First sample that was not appended yet, or not wholly."""
        return self.end_byte // self._frame_bytes

    @property
    def end_byte(self) -> int:
        """Bytes appended so far."""
        return self._start_byte + len(self._kept)

    @property
    def kept_len(self) -> int:
        """Samples that are kept, one that is there in part included."""
        return -(-len(self._kept) // self._frame_bytes)

    def append(self, audio: bytes | bytearray | memoryview) -> None:
        """Keep more audio; it may end anywhere, even inside a sample."""
        self._kept += audio

    def forget_before(self, at: int) -> None:
        """Audio before sample ``at`` is needed no more; what is not there yet is not forgotten."""
        self._delete_until(min(at, self.end_at) * self._frame_bytes)

    def drop_oldest(self, limit_len: int, before_byte: int) -> int:
        """Keep ``limit_len`` samples, the newest, or more: nothing from ``before_byte`` on goes.

        Returns how many samples were dropped.
        """
        start_at = self.start_at
        excess = self.kept_len - limit_len
        if excess > 0:
            last_at = min(start_at + excess, self.end_at)
            self._delete_until(min(last_at, before_byte // self._frame_bytes) * self._frame_bytes)
        return self.start_at - start_at

    def read(self, from_byte: int, to_byte: int) -> bytes:
        """A copy of the bytes from ``from_byte`` to ``to_byte``; both must be kept."""
        start = from_byte - self._start_byte
        assert 0 <= start <= to_byte - self._start_byte <= len(self._kept), "audio that is not kept"
        return bytes(self._kept[start : to_byte - self._start_byte])

    def _delete_until(self, byte: int) -> None:
        if byte > self._start_byte:
            del self._kept[: byte - self._start_byte]
            self._start_byte = byte
