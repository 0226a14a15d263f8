"""Studies: arms that vary, claims about them, and the rule that decides the claims."""

from mien.studies.study import Arm, Axis, Budget, Study, TradeOff
from mien.studies.verdicts import RULE, Answer, Claim, Comparison, Outcome, answer, mean_interval, value_of

__all__ = [
    "RULE",
    "Answer",
    "Arm",
    "Axis",
    "Budget",
    "Claim",
    "Comparison",
    "Outcome",
    "Study",
    "TradeOff",
    "answer",
    "mean_interval",
    "value_of",
]
