"""The judge: an attribute classifier of its own, which looks at what other models have made."""

from mien.judge.network import JudgeConfig
from mien.judge.trained_judge import Judge, judge_of

__all__ = ["Judge", "JudgeConfig", "judge_of"]
