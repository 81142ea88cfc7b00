"""Every bound the server keeps, each with its unit and the reason for its value."""

from dataclasses import dataclass

from streamscribe_protocol.messages import MAX_FRAME_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server process. Seconds are wall-clock time unless called audio."""

    max_sessions: int = 64
    """Connections at once. Far above what two cores serve live: it bounds memory, not load."""
    max_frame_bytes: int = MAX_FRAME_BYTES
    """Largest frame, as the protocol promises: 32 s of 16 kHz PCM16, where live clients send
    20 to 500 ms at a time."""
    hard_frame_bytes: int = 4 * 1024 * 1024
    """From here on the WebSocket layer refuses the frame unread, so it costs no memory."""
    max_fragments: int = 4_096
    """Pieces of one message: the largest in pieces of 256 bytes. Empty ones cost memory too."""
    handshake_timeout_s: float = 10.0
    """From the connection to a complete opening request, one packet: several slow round trips.
    It costs a file descriptor, and those are few."""
    max_handshakes: int = 256
    """Connections without a complete request at once; one more, and the oldest is cut off. As
    many as a crowd that reconnects at the same moment, and a quarter of the usual 1,024 files."""
    text_frames_per_s: float = 100.0
    """Text frames of one connection; faster ones are taken as late as this allows. A client says
    ``start``, ``finish`` and now and then ``flush``."""
    binary_frames_per_s: float = 2_000.0
    """The same for audio: live clients send 10 to 100, and a recording in frames of 20 ms still
    goes at 40 times the pace of speech."""
    frame_burst_s: float = 2.0
    """Frames of so many seconds may come at once."""
    start_timeout_s: float = 10.0
    """Wait for the ``start`` message: several slow round trips; a socket without one is idle."""
    idle_timeout_s: float = 60.0
    """No frame at all. A muted microphone sends silence; a program that can't, ``keep_alive``."""
    heartbeat_s: float = 5.0
    """Between two heartbeats. A client gives up after three, before its user wonders for long; and
    something is always on its way, so that the kernel notices a peer that has vanished."""
    max_session_s: float = 12 * 3_600.0
    """Longest session. A working day: what lasts longer was most likely forgotten."""
    resume_s: float = 60.0
    """How long a session whose connection broke is kept: a lift, a tunnel, a change of network.
    Later the client goes on all the same, but what it still has is transcribed anew."""
    linger_s: float = 10.0
    """How long a session is kept whose ``done`` was sent, in case it did not arrive."""
    max_parked: int = 32
    """Sessions kept without a client; the oldest gives way. Half of all places: each may hold as
    much audio as a live one, and whoever breaks connections must not shut others out."""
    max_known_tokens: int = 1_024
    """Tokens of expired sessions that are told from unknown ones: 100 KB."""
    backlog_pause_s: float = 10.0
    """Audio received but not yet decided at which reading stops, so that the sender is slowed
    by TCP. Longer than any stall worth riding out, short enough to bound a session's memory."""
    receive_buffer_bytes: int = 256 * 1024
    """Kernel's buffer per connection: what a sender is ahead of us unseen, 8 s of 16 kHz PCM16.
    The usual megabytes would delay a client's ping, behind its audio, past any timeout."""
    max_queued_messages: int = 256
    """Unsent messages. About 60 segments with their partials dropped, under 1 MB of text."""
    max_kept_messages: int = 256
    """Sent messages that are kept for a client that resumes: about 100 s of live speech, longer
    than it takes to notice that the client is gone; about 300 KB of text."""
    max_known_flushes: int = 256
    """Ids of flushes that are known when a client repeats them after a break."""
    slow_reader_s: float = 10.0
    """One message may wait this long for a client that doesn't read. Captions older than this
    are of no use live, and a program that stops for longer can reconnect."""
    close_grace_s: float = 1.0
    """Time to hand the close frame to a socket that may be full; then the socket is dropped."""
    overload_lag_s: float = 3.0
    """A step that waits this long past its time makes the server refuse new streams: captions
    later than this are no longer live, and one more stream makes everybody's later."""
    longest_hop_s: float = 2.0
    """Audio between two partials of a stream that is late: what lies between is left out. Only a
    stream that is later than this leaves out more, so that its finals catch up."""
    longest_batch_s: float = 0.2
    """What one call of the model should take at most: a final that comes next waits for it."""
    model_call_s: float = 60.0
    """A model call that takes longer hangs: its streams fail, and another worker takes over.
    A hundred times what the slowest call takes on the slowest machine we know of."""
    retry_after_s: int = 5
    """Sent with a refusal. About the length of a segment, after which load has moved."""
    drain_s: float = 10.0
    """After SIGTERM, time for open segments to become finals. Then connections are cut."""
    unacknowledged_s: float = 30.0
    """Bytes sent but not taken by the peer's machine for this long: it has vanished without a
    word (no power, no network). Above any retransmission that still succeeds in practice."""
