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
    from sunhwan.cli.output import complain, replace_unshowable
    from sunhwan.errors import SunhwanError, printable, quoted

    replacing = replace_unshowable()
    try:
        app()
    except SunhwanError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted", "yellow")
        sys.exit(130)
    except (OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        # A disk, a name or a machine that no reader or writer had a sentence for.
        reason = "there is not enough memory for this"
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        about = getattr(error, "filename", None)
        where = "" if about is None else f"{quoted(str(about))}: "
        complain(where + printable(reason))
        sys.exit(1)
    finally:
        if replacing.acted:
            lacking = f"what {sys.stdout.encoding} cannot show was written as ?"
            complain(f"{lacking}: set PYTHONIOENCODING=utf-8", "yellow")
