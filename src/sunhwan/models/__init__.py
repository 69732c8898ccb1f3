"""Models: one task a file."""

from sunhwan.models.classifier import Classifier
from sunhwan.models.language_model import LanguageModel

__all__ = ["Classifier", "LanguageModel"]
