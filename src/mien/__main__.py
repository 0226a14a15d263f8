"""`python -m mien`: the command line, where `mien` itself is not on the path, and for `torchrun`."""

from mien.cli import main

raise SystemExit(main())
