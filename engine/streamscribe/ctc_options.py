"""What a CTC model can be asked for, and the errors for what it can't."""

from collections.abc import Sequence

from streamscribe.abilities import Abilities, checked
from streamscribe.errors import OptionError
from streamscribe.options import Search, SessionOptions


def resolve(options: SessionOptions, model: str, languages: Sequence[str]) -> SessionOptions:
    """``options`` with what was left open, but for latency and search.

    Raises ``OptionError`` for what only a decoder that writes token by token could follow.
    """
    if options.commit_by is not None:
        allowed = f"none: {model} is a CTC model, which commits hop by hop"
        raise OptionError(name="commit_by", got=options.commit_by.value, allowed=allowed)
    searches = (Search.GREEDY, Search.BEAM)
    return checked(options, Abilities(model=model, languages=languages, searches=searches))
