"""From files to tokens, rows, tunes, frames and series, and from tokens to batches."""

from sunhwan.data.abc import Tune, read_tunes
from sunhwan.data.batches import Batches
from sunhwan.data.built_in_series import BUILT_IN_SERIES, BuiltInSeries, load_built_in
from sunhwan.data.clock import seasonal_period
from sunhwan.data.frames import FRAME_SUFFIXES, read_frames
from sunhwan.data.images import IMAGE_SUFFIXES, read_image
from sunhwan.data.named_columns import column
from sunhwan.data.sequences import Ragged, pad
from sunhwan.data.series import Series, read_panel, read_series
from sunhwan.data.streams import Block, Streams, warm_blocks
from sunhwan.data.tables import Row, Table, read_table
from sunhwan.data.tokens import Tokens, encode
from sunhwan.data.treebanks import Sentence, Treebank, read_treebank

__all__ = [
    "BUILT_IN_SERIES",
    "FRAME_SUFFIXES",
    "IMAGE_SUFFIXES",
    "Batches",
    "Block",
    "BuiltInSeries",
    "Ragged",
    "Row",
    "Sentence",
    "Series",
    "Streams",
    "Table",
    "Tokens",
    "Treebank",
    "Tune",
    "column",
    "encode",
    "load_built_in",
    "pad",
    "read_frames",
    "read_image",
    "read_panel",
    "read_series",
    "read_table",
    "read_treebank",
    "read_tunes",
    "seasonal_period",
    "warm_blocks",
]
