"""Settings of tagging."""

from dataclasses import dataclass

from sunhwan.config import ModelConfig, TaskSettings, setting


@dataclass(frozen=True)
class TagModelConfig(ModelConfig):
    """The network, and how it chooses labels."""

    output_layer: str = setting(
        "softmax",
        "whether each label is chosen for itself, or all of a sequence together",
        choices=("softmax", "crf"),
    )


SETTINGS = TaskSettings(model=TagModelConfig)
