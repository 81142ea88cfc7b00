"""Opening requests that are not quite what a WebSocket's should be."""

from bench.raw_socket import handshake
from streamscribe_protocol.messages import STREAM_PATH


def odd_requests(host: str, port: int) -> dict[str, bytes]:
    """Requests by what is odd about them; none may bring a server out of step."""
    where = f"{host}:{port}"
    good = handshake(where, STREAM_PATH)

    def without(line: bytes) -> bytes:
        return b"\r\n".join(part for part in good.split(b"\r\n") if not part.startswith(line))

    def put(old: bytes, new: bytes) -> bytes:
        assert old in good, f"{old!r} is in no request"
        return good.replace(old, new)

    path = STREAM_PATH.encode()
    return {
        "post": put(b"GET", b"POST"),
        "unknown method": put(b"GET", b"BREW"),
        "lower case": put(b"GET", b"get"),
        "version 1.0": put(b"HTTP/1.1", b"HTTP/1.0"),
        "version 2.0": put(b"HTTP/1.1", b"HTTP/2.0"),
        "no version": put(b" HTTP/1.1", b""),
        "no host": without(b"Host"),
        "two hosts": put(b"Upgrade:", b"Host: elsewhere\r\nUpgrade:"),
        "no upgrade": without(b"Upgrade"),
        "other upgrade": put(b"websocket", b"h2c"),
        "no connection": without(b"Connection"),
        "connection close": put(b"Connection: Upgrade", b"Connection: close"),
        "no key": without(b"Sec-WebSocket-Key"),
        "short key": put(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"),
        "key no base64": put(b"dGhlIHNhbXBsZSBub25jZQ==", b"*" * 24),
        "two keys": put(b"Upgrade:", b"Sec-WebSocket-Key: eA==\r\nUpgrade:"),
        "old version": put(b"Version: 13", b"Version: 8"),
        "version no number": put(b"Version: 13", b"Version: x"),
        "no such version header": without(b"Sec-WebSocket-Version"),
        "other path": put(path, b"/v2/stream"),
        "root": put(path, b"/"),
        "escaped path": put(path, b"/%00%ff%2e%2e/%E2%82%AC"),
        "bytes in path": put(path, b"/\xff\xfe\xc3"),
        "spaces in path": put(path, b"/v1/ stream"),
        "whole address": put(path, b"http://elsewhere/v1/stream"),
        "star": put(path, b"*"),
        "long query": put(path, path + b"?" + b"q=1&" * 2_000),
        "bytes in query": put(path, path + b"?\xff=\xfe%"),
        "long path": put(path, b"/" + b"x" * 100_000),
        "long header": put(b"Upgrade:", b"X: " + b"x" * 100_000 + b"\r\nUpgrade:"),
        "many headers": put(b"Upgrade:", b"X: x\r\n" * 20_000 + b"Upgrade:"),
        "endless header": put(b"\r\n\r\n", b"\r\nX: ") + b"x" * 5_000_000,
        "bytes in header": put(b"Upgrade:", b"X: \xff\xfe\x80\r\nUpgrade:"),
        "null in header": put(b"Upgrade:", b"X: a\x00b\r\nUpgrade:"),
        "folded header": put(b"Upgrade:", b"X: a\r\n b\r\nUpgrade:"),
        "no colon": put(b"Upgrade:", b"nonsense\r\nUpgrade:"),
        "bare line feeds": good.replace(b"\r\n", b"\n"),
        "odd origin": put(b"Upgrade:", b"Origin: \x7f//\xe9\r\nUpgrade:"),
        "odd subprotocol": put(b"Upgrade:", b"Sec-WebSocket-Protocol: ,,a b\r\nUpgrade:"),
        "odd extension": put(b"Upgrade:", b"Sec-WebSocket-Extensions: =;,\"\r\nUpgrade:"),
        "a body": put(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\nbody"),
        "body without end": put(b"GET", b"POST").replace(
            b"\r\n\r\n", b"\r\nContent-Length: 99999999\r\n\r\nx"
        ),
        "negative body": put(b"\r\n\r\n", b"\r\nContent-Length: -1\r\n\r\n"),
        "chunks": put(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"),
        "expect": put(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
        "twice at once": good + good,
        "encrypted": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
        "nulls": bytes(2_000),
        "line ends": b"\r\n" * 2_000,
        "proxy line": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + good,
    }  # fmt: skip
