"""The command line: `sunhwan COMMAND`. Exit codes: 0 done, 1 it failed, 2 invalid usage, 130 Ctrl-C."""

import os
import sys
import time

STARTED = time.perf_counter()


def main() -> None:
    """Entry point: run a command; a user's mistake is one sentence on stderr, never a traceback."""
    # Before PyTorch is imported: large tensors in large pages, of which a step asks the system for fewer.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from sunhwan.cli.app import app
    from sunhwan.cli.language import choose_language, language, say
    from sunhwan.cli.output import complain, replace_unshowable
    from sunhwan.errors import SunhwanError, printable, quoted
    from sunhwan.messages.mistakes import mistake

    replacing = replace_unshowable()
    try:
        arguments = choose_language(sys.argv[1:])
        app(arguments)
    except SunhwanError as error:
        if str(error):
            complain(mistake(str(error), language()))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":
            complain(say("interrupted"), "yellow")
        sys.exit(130)
    except (OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        # A disk, a name or a machine that no reader or writer had a sentence for.
        reason = say("memory")
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        about = getattr(error, "filename", None)
        where = "" if about is None else f"{quoted(str(about))}: "
        complain(where + printable(reason))
        sys.exit(1)
    finally:
        if replacing.acted:
            complain(say("replaced", encoding=sys.stdout.encoding), "yellow")
