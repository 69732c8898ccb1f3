"""Batch prediction: the questions of a file of any size answered row by row, into a file."""

from sunhwan.prediction.answered import Answered, answer_rows
from sunhwan.prediction.batch_prediction import Summary, part_of, predict_into
from sunhwan.prediction.kept_files import check_unread, check_untrained
from sunhwan.prediction.output_formats import FORMATS, format_of
from sunhwan.prediction.processes import Jobs

__all__ = [
    "FORMATS", "Answered", "Jobs", "Summary", "answer_rows", "check_unread", "check_untrained", "format_of",
    "part_of", "predict_into",
]  # fmt: skip
