"""The report: runs in, one self-contained page and its figures out."""

from mien.report.build import build_report

__all__ = ["build_report"]
