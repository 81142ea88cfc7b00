"""One line of the target table, and how a figure is judged by it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a figure stands to its target."""

    REACHED = "reached"
    MISSED = "missed"
    PUBLISHED = "published"  # there is no target, but the figure must be known
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table."""

    bench: str
    figure: tuple[str, ...]
    """Keys that lead to the number in the benchmark's figures."""
    measure: str
    unit: str
    bound: float | None = None
    """Allowed at most; None: the figure is only published."""
    at_least: bool = False
    """The bound is the smallest allowed instead."""

    @property
    def wanted(self) -> str:
        """The target as text, like ``<= 0.15``; empty when there is none."""
        if self.bound is None:
            return ""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"

    def judge(self, got: float | None) -> Verdict:
        """What ``got`` is worth; None: it was not measured."""
        if got is None:
            return Verdict.NOT_MEASURED
        if self.bound is None:
            return Verdict.PUBLISHED
        reached = got >= self.bound if self.at_least else got <= self.bound
        return Verdict.REACHED if reached else Verdict.MISSED
