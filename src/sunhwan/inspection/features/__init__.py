"""Features of a text that a unit might track, each computed from the text so far."""

from sunhwan.inspection.features import code, hangul, prose
from sunhwan.inspection.features.feature import FEATURES, Feature, feature
from sunhwan.inspection.features.own import load_feature

__all__ = ["FEATURES", "Feature", "code", "feature", "hangul", "load_feature", "prose"]
