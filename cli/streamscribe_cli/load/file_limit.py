"""How many files, and so sockets, a process may have open."""

import sys
from typing import Final

from streamscribe.errors import StreamscribeError

SPARE: Final = 100
"""Files besides the streams' sockets: libraries, models, pipes."""


class TooFewFiles(StreamscribeError):
    """The system allows fewer open files than there shall be streams."""

    code = "too_few_files"


def allow_sockets(streams: int) -> None:
    """Raise this process's own limit, which its children inherit, to so many streams.

    Raises ``TooFewFiles`` where the system allows less.
    """
    if sys.platform == "win32":
        return  # no such limit
    import resource

    needed = streams + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        error = TooFewFiles(f"{streams} streams need {needed} open files; the system allows {hard}")
        error.add_note(f"to raise that, as root: ulimit -Hn {needed}; ulimit -Sn {needed}")
        raise error
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
