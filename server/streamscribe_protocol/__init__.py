"""The native wire protocol of streamscribe, shared by server and clients.

- ``messages``: what goes over the wire, ``encode`` and the two ``decode_…`` functions
- ``close_codes``: why a connection was closed
- ``errors``: whose fault a protocol error is
- ``cues`` and ``captions``: finals as SRT, WebVTT, plain text or JSON lines

Needs the standard library only. The reference is ``docs/protocol.md``.
"""
