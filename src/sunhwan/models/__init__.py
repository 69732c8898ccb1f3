"""Models: one task a file."""

from sunhwan.models.classifier import Classifier
from sunhwan.models.forecaster import Forecaster
from sunhwan.models.language_model import LanguageModel
from sunhwan.models.tagger import Tagger

__all__ = ["Classifier", "Forecaster", "LanguageModel", "Tagger"]
