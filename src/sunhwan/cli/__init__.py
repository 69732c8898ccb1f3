"""The command line: `sunhwan COMMAND`. Exit codes: 0 done, 1 it failed, 2 it was asked wrongly."""

import os
import sys
import time

STARTED = time.perf_counter()


def main() -> None:
    """Entry point: run a command; a user's mistake is one sentence on stderr, never a traceback."""
    # Before PyTorch is imported: large tensors in large pages, of which a step asks the system for fewer.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from sunhwan.cli.app import app
    from sunhwan.errors import SunhwanError

    try:
        app()
    except SunhwanError as error:
        print(f"sunhwan: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("sunhwan: interrupted", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output left (`| head`): not an error, and nothing more to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
