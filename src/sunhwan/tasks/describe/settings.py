"""Settings of description: those of any encoder-decoder."""

from sunhwan.tasks.common.encoder_decoder_settings import SETTINGS

__all__ = ["SETTINGS"]
