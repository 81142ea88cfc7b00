import pytest

from streamscribe_server.origins import BadOrigin, checked_origin, may_come


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "asr.example.com"),
        ("https://asr.example.com", "asr.example.com"),
        ("https://asr.example.com", "asr.example.com:443"),
        ("http://asr.example.com", "asr.example.com:80"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("HTTPS://ASR.example.com", "asr.EXAMPLE.com"),
    ],
)
def test_programs_and_pages_of_the_same_host_may_come(origin: str | None, host: str) -> None:
    assert may_come(origin, host, allowed=())


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "asr.example.com"),
        ("https://asr.example.com.evil.example", "asr.example.com"),
        ("https://asr.example.com:8443", "asr.example.com"),
        ("http://localhost:3000", "localhost:8000"),
        ("http://localhost:8000", "127.0.0.1:8000"),
        ("null", "asr.example.com"),
        ("", ""),
        ("https://", ""),
        ("https://a:port", "a:port"),
        ("file://", "asr.example.com"),
    ],
)
def test_pages_of_other_hosts_may_not(origin: str, host: str) -> None:
    assert not may_come(origin, host, allowed=())


def test_pages_that_are_allowed_may_come_and_no_others() -> None:
    allowed = (checked_origin("https://App.example.com/"), "null")
    assert may_come("https://app.example.com", "asr.example.com", allowed)
    assert may_come("null", "asr.example.com", allowed)
    assert not may_come("http://app.example.com", "asr.example.com", allowed)


def test_a_star_lets_every_page_in() -> None:
    assert may_come("https://anybody.example", "asr.example.com", ("*",))


@pytest.mark.parametrize(
    "origin", ["example.com", "ftp://example.com", "https://a.com/page", "https://", "https://a?b"]
)
def test_what_is_no_origin_is_refused_with_an_example(origin: str) -> None:
    with pytest.raises(BadOrigin, match="allowed: scheme and host, such as https://example.com"):
        checked_origin(origin)
