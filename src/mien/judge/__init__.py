"""The judge: an independent attribute classifier, which measures the samples of other models."""

from mien.judge.network import JudgeConfig
from mien.judge.trained_judge import Judge, judge_of, judge_time

__all__ = ["Judge", "JudgeConfig", "judge_of", "judge_time"]
