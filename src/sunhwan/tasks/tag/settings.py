"""Settings of tagging."""

from dataclasses import dataclass

from sunhwan.config import ModelConfig, TaskConfig, TaskSettings, setting


@dataclass(frozen=True)
class TagConfig(TaskConfig):
    """Task settings of tagging, with how lemmas and words are learned."""

    edit_scripts: bool = setting(
        True, "lemmas are learned as edits of the word, which new words share; else as whole words"
    )
    tokenizer: str = setting(
        "",
        "whether sentences and words are learned from `# text` too, so that raw text can be tagged; "
        "empty: where a treebank has it",
        choices=("", "learned", "none"),
    )


@dataclass(frozen=True)
class TagModelConfig(ModelConfig):
    """The network, and how it chooses labels."""

    output_layer: str = setting(
        "softmax",
        "whether each label is chosen for itself, or all of a sequence together",
        choices=("softmax", "crf"),
    )


SETTINGS = TaskSettings(TagConfig, TagModelConfig)
