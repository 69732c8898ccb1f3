"""Models: one task a file."""

from sunhwan.models.language_model import LanguageModel

__all__ = ["LanguageModel"]
