"""Rows that are left out with --skip-bad, told on standard error."""

from sunhwan.cli.language import language, say
from sunhwan.cli.output import complain
from sunhwan.errors import SunhwanError


class Problems:
    """Tells of the first rows that are left out, and counts all."""

    MOST = 20

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, error: SunhwanError) -> None:
        from sunhwan.messages.mistakes import mistake

        self.count += 1
        if self.count <= self.MOST:
            complain(say("left_out", error=mistake(str(error), language())), "yellow")

    def tell(self) -> None:
        """How many there were, if any."""
        if self.count:
            complain(say("rows_left_out", count=f"{self.count:,}"), "yellow")
