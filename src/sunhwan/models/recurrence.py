"""The recurrent stack of a model, as its configuration describes it."""

from sunhwan.config import ModelConfig
from sunhwan.errors import ConfigError
from sunhwan.layers import Recurrent


def recurrence(config: ModelConfig, input_size: int, *, bidirectional: bool) -> Recurrent:
    """The stack over inputs of this size; ConfigError where a setting is still left to auto."""
    if min(*config.sizes, config.num_layers) < 1 or config.dropout < 0:
        raise ConfigError(
            "a model needs its hidden_size, num_layers and dropout: settings left to auto are "
            "completed by sunhwan.tasks.common.recipe"
        )
    return Recurrent(
        config.cells,
        input_size,
        config.sizes,
        config.num_layers,
        bidirectional=bidirectional,
        connection=config.connection,
        layer_norm=config.layer_norm,
        dropout=config.dropout,
        locked_dropout=config.locked_dropout,
        weight_drop=config.weight_drop,
        recurrent_dropout=config.recurrent_dropout,
        zoneout=config.zoneout,
        zoneout_cell=config.zoneout_cell,
        bias=config.bias,
        learned_initial_state=config.learned_initial_state,
        start=config.start,
        start_scale=config.start_scale,
        lag=config.lag,
    )
