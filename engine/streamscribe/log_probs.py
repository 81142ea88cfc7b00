"""Scores to log-probabilities."""

import numpy as np

from streamscribe.model import LogProbs


def log_softmax(logits: LogProbs) -> LogProbs:
    """Natural log-probabilities over the last axis."""
    top = logits - logits.max(axis=-1, keepdims=True)
    log_probs: LogProbs = top - np.log(np.exp(top).sum(axis=-1, keepdims=True))
    return log_probs
