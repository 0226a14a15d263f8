"""The report: runs in, one self-contained page and its figures out."""
