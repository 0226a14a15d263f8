"""Runners: the runs of a plan or a study in this process, in several, or on a cluster."""
