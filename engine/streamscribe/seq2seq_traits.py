"""What a seq2seq model is like, as far as its policy must know."""

from collections.abc import Callable
from dataclasses import dataclass

from streamscribe import guards
from streamscribe.families import FrontEnd


@dataclass(frozen=True, slots=True)
class Traits:
    """What the policy must know of a model."""

    max_tokens_per_s: float
    lead_len: int = 0
    """Silence to put before audio that is heard again; 0: it is heard once."""
    front_end: FrontEnd | None = None
    """Of models whose features are computed here, where each hop adds to those of the last."""
    context: tuple[int, ...] = ()
    """Tokens of text that came before the stream."""
    encode: Callable[[str], tuple[int, ...]] | None = None
    """Text to tokens that may be added to ``context``, of models that take earlier text."""
    hears_alone: bool = False
    """Whether earlier text can make it believe that there is nothing more to write."""
    doubt: guards.Doubt = guards.Doubt()
    """When its text is not believed."""
    thorough: bool = True
    """Whether a final that looks wrong is looked for again in other ways."""
