"""From tokens to batches."""

from sunhwan.data.streams import Block, Streams, warm_blocks
from sunhwan.data.tokens import Tokens, encode

__all__ = ["Block", "Streams", "Tokens", "encode", "warm_blocks"]
