"""The command line. Rooms are imported inside the functions, so that --help is instant."""

import sys
from collections.abc import Sequence

from mien.cli.parser import build_parser
from mien.cli.training import resume, run, study, train
from mien.errors import Interrupted, MienError, printable

MOST_SHOWN = 1200  # letters of an error; a name in it may be as long as somebody likes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.  -> 0 done, 2 a mistake that the user can mend, 130 stopped and saved"""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser, commands = build_parser()
    if arguments and arguments[0] in commands:
        # Intermixed, so that key=value may stand before and after the options.
        namespace = commands[arguments[0]].parse_intermixed_args(arguments[1:])
    else:
        namespace = parser.parse_args(arguments)
        parser.print_help()
        return 0 if not arguments else 2
    try:
        namespace.function(namespace)
    except Interrupted as error:
        print(f"mien: {printable(str(error))}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("mien: stopped; what was written is kept, and `mien resume` goes on with it", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mien data show | head`
        sys.stderr.close()
        return 0
    except (MienError, OSError) as error:
        if namespace.debug:
            raise
        training_failed = isinstance(error, OSError) and namespace.function in (run, train, study, resume)
        kept = "; what was written is kept, and `mien resume` goes on with it" if training_failed else ""
        print(f"mien: {printable(str(error))[:MOST_SHOWN]}{kept}", file=sys.stderr)
        return 2
    return 0
