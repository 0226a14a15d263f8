"""The command line. Rooms are imported inside the functions, so that --help is instant."""

import argparse
import sys
from collections.abc import Sequence

from mien.cli.arguments import build_parser
from mien.cli.output import lasting_output
from mien.cli.training_commands import resume, run, study, train
from mien.errors import Interrupted, MienError, printable

MOST_SHOWN = 1200  # letters of an error; a name in it may be of any length
TRAINING = (run, train, study, resume)  # the commands that `mien resume` goes on with


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.  -> 0 done, 2 a mistake that the user can mend, 130 stopped and saved"""
    with lasting_output() as out:
        arguments = list(sys.argv[1:] if argv is None else argv)
        parser, commands = build_parser()
        if not arguments or arguments[0] not in commands:
            parser.parse_args(arguments)
            parser.print_help()
            return 0 if not arguments else 2
        # Intermixed, so that key=value may stand before and after the options.
        namespace = commands[arguments[0]].parse_intermixed_args(arguments[1:])
        code = answer(namespace)
        out.flush()
        # A closed pipe has all the output that its reader wanted; a file on a full disk has not, which is an error. A
        # training is no error even then: its results are in its folder.
        if code or not out.failure or isinstance(out.failure, BrokenPipeError) or namespace.function in TRAINING:
            return code
        complain(f"the output was lost ({out.failure.strerror}). Write it to a disk that has room.")
        return 2


def answer(namespace: argparse.Namespace) -> int:
    """Do what a command says; a mistake is answered with one line.  -> as `main`"""
    kept = "; what was written is kept, and `mien resume` goes on with it" if namespace.function in TRAINING else ""
    try:
        if getattr(namespace, "model_code", None):
            from mien.models.own_code import allow

            allow(namespace.model_code)
        namespace.function(namespace)
    except Interrupted as error:
        complain(str(error))
        return 130
    except KeyboardInterrupt:
        complain(f"stopped{kept}")
        return 130
    except (MienError, OSError, MemoryError) as error:
        if namespace.debug:
            raise
        if isinstance(error, MienError):
            complain(str(error))
        else:
            complain(*explain(error), kept)
        return 2
    return 0


def explain(error: OSError | MemoryError) -> tuple[str, str]:
    """The error, and what to do next, for errors of the system."""
    if isinstance(error, MemoryError):
        what = f"needs more memory than this machine has to give ({error or 'none is left'})."
        return what, " Ask for less (fewer or smaller pictures, a smaller batch), or close what else runs here"
    where = f"{error.filename}: " if error.filename else ""
    what = f"{where}{error.strerror or error}."
    return what, " Check that it exists, that you may read and write it, and that the disk has room"


def complain(what: str, *advice: str) -> None:
    """Print what went wrong, on one line that any terminal takes; advice is never cut."""
    print(f"mien: {printable(what)[:MOST_SHOWN]}{''.join(advice)}", file=sys.stderr, flush=True)
