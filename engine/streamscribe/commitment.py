"""What of a seq2seq model's newest hypothesis may be promised: two ways to tell, in whole words.

``Agreement``   consecutive hypotheses say the same (LocalAgreement-n, and how sure the model is).
``Alignment``   a token was spoken well before the end of the audio, as the heads that follow the
                audio show (AlignAtt): what comes can't change it any more.

By agreement, a token is *stable* once it, and all before it, stood unchanged in so many consecutive
looks and the model is sure of it; or, however unsure the model is, in more of them. Only when the
*following* word is stable too are a word's punctuation and case settled, and the place it was heard
at has been left behind. The numbers are a trade between wrong promises and waiting. On 100
recordings outside the benchmark's set (LibriSpeech train-clean and learners of English), two
agreeing looks alone would have broken a promise in 48 % of the segments, at 3.0 words behind the
hypothesis; those of ``medium`` would in 1.6 %, at 8.7 words behind. Asking how sure the model is
does more than asking for more looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from streamscribe.model import TokenTable
from streamscribe.options import CommitBy, Latency
from streamscribe.stability import word_starts
from streamscribe.timeline import ms_to_len

AGREEING_LOOKS: Final = 5
PATIENT_LOOKS: Final = 20
SURE_LOG_PROB: Final = -0.15
"""Log-probability of a token that counts as sure: 86 %."""
SAID_TWICE: Final = 2
"""Looks in a row that have to say what alignment may promise."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a hypothesis; all sequences have its length."""

    tokens: Sequence[int]
    log_probs: Sequence[float]
    ages: Sequence[int]
    """For how many consecutive looks each token has stood as it is."""
    attended_at: Sequence[int | None]
    """What place in the audio the choice of each token rests on most; None: nobody knows."""
    heard_until_at: int
    """End of the audio that was looked at."""


class Commitment(Protocol):
    """One way to tell."""

    def stable_len(self, evidence: Evidence, table: TokenTable) -> int:
        """How many tokens may be promised."""
        ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """Tokens are settled that consecutive hypotheses say."""

    looks: int = AGREEING_LOOKS
    """Consecutive looks that a token must stand unchanged, if the model is sure of it."""
    patient_looks: int = PATIENT_LOOKS
    """And however unsure the model is."""

    def stable_len(self, evidence: Evidence, table: TokenTable) -> int:
        """Up to the last whole word whose following word is stable too."""
        stable = 0
        for age, log_prob in zip(evidence.ages, evidence.log_probs, strict=True):
            sure = age >= self.looks and log_prob >= SURE_LOG_PROB
            if not sure and age < self.patient_looks:
                break
            stable += 1
        starts = word_starts(evidence.tokens, table)
        ends = [*starts[1:], len(evidence.tokens)][: len(starts)]
        whole_words = sum(end <= stable for end in ends)
        # The last stable word is not committed: it confirms the one before it.
        return starts[whole_words - 1] if whole_words else 0


@dataclass(frozen=True, slots=True)
class Alignment:
    """Tokens are settled that rest on audio well before its end, and were said twice in a row."""

    distance_len: int
    """Samples between the place and the end of the audio, if the model is sure of the token."""
    doubtful_len: int
    """The same, however unsure the model is."""

    def stable_len(self, evidence: Evidence, table: TokenTable) -> int:
        """Up to the last whole word that another one follows."""
        stable = 0
        places = zip(evidence.attended_at, evidence.log_probs, evidence.ages, strict=True)
        for at, log_prob, age in places:
            distance_len = self.distance_len if log_prob >= SURE_LOG_PROB else self.doubtful_len
            if at is None or age < SAID_TWICE or at > evidence.heard_until_at - distance_len:
                break
            stable += 1
        starts = word_starts(evidence.tokens, table)
        return max((start for start in starts if start <= stable), default=0)


AGREEMENTS: Final[Mapping[Latency, Agreement]] = MappingProxyType(
    {
        Latency.MINIMAL: Agreement(looks=2, patient_looks=2),
        Latency.LOW: Agreement(looks=3, patient_looks=8),
        Latency.MEDIUM: Agreement(),
        Latency.HIGH: Agreement(looks=8, patient_looks=30),
    }
)
"""``minimal`` is LocalAgreement-2: two looks, however unsure the model is."""

ALIGNMENTS: Final[Mapping[Latency, Alignment]] = MappingProxyType(
    {
        Latency.MINIMAL: Alignment(ms_to_len(100), ms_to_len(400)),
        Latency.LOW: Alignment(ms_to_len(150), ms_to_len(600)),
        Latency.MEDIUM: Alignment(ms_to_len(200), ms_to_len(800)),
        Latency.HIGH: Alignment(ms_to_len(500), ms_to_len(1_500)),
    }
)


def commitment_of(commit_by: CommitBy, latency: Latency) -> Commitment:
    """The way to tell that was asked for."""
    if commit_by is CommitBy.ALIGNMENT:
        return ALIGNMENTS[latency]
    return AGREEMENTS[latency]
