import pytest

from streamscribe_client.address import stream_url
from streamscribe_protocol.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("localhost", "ws://localhost:8000/v1/stream"),
        ("localhost:9000", "ws://localhost:9000/v1/stream"),
        ("[::1]:9000", "ws://[::1]:9000/v1/stream"),
        ("ws://localhost:8000", "ws://localhost:8000/v1/stream"),
        ("ws://localhost:8000/", "ws://localhost:8000/v1/stream"),
        ("ws://localhost:8000/v1/stream", "ws://localhost:8000/v1/stream"),
        ("http://localhost:8000/v1/stream/", "ws://localhost:8000/v1/stream"),
        ("https://example.org", "wss://example.org/v1/stream"),
        ("wss://example.org/speech?key=1", "wss://example.org/speech/v1/stream?key=1"),
    ],
)
def test_a_server_may_be_written_as_a_host_or_as_any_kind_of_url(written: str, url: str) -> None:
    assert stream_url(written) == url


@pytest.mark.parametrize("written", ["", "ftp://host", "ws://", "ws://host:port", "http://[::1"])
def test_what_is_no_address_is_refused_by_name(written: str) -> None:
    with pytest.raises(LocalProtocolError, match="is not a"):
        stream_url(written)
