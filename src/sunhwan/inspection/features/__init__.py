"""What a unit might keep track of: features of a text, known from what was read so far."""

from sunhwan.inspection.features import code, hangul, prose
from sunhwan.inspection.features.feature import FEATURES, Feature, feature
from sunhwan.inspection.features.own import load_feature

__all__ = ["FEATURES", "Feature", "code", "feature", "hangul", "load_feature", "prose"]
