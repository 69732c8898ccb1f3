"""Training speed of recurrent policies: PPO steps a second, measured in turn.

One call is a rollout of N environments and T steps and its update, on `Recall` of
examples/recurrent_policy.py: that example's loop with a recurrent layer, the same loop with two layers
without a state, and RecurrentPPO of sb3-contrib in a process of its own. Environment, hidden size,
rollout, epochs and minibatches are the same. RecurrentPPO has one LSTM for policy and value, as ours.
`python -m benchmarks.policies [--settings N] [--quick] [--json FILE] [--markdown FILE]`
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch

from benchmarks.measure import arguments_of, in_own_process, in_turn, machine, publish, table
from examples import recurrent_policy as ppo
from sunhwan.ops import keep_freed_memory

EPOCHS, MINIBATCHES, LEARNING_RATE = 4, 4, 2e-3
CELLS = ("lstm", "gru", "mingru")


class Setting(NamedTuple):
    """N environments, T steps a rollout, H hidden units."""

    N: int
    T: int
    H: int


SETTINGS = (Setting(16, 128, 64), Setting(64, 64, 64), Setting(64, 128, 128))
QUICK = Setting(4, 16, 8)


def our_iteration(cell: str, setting: Setting) -> Callable[[], object]:
    """Rollout and update of the example with this cell, or "none" for layers without a state."""
    N, T, H = setting
    torch.manual_seed(1)
    environment, size, actions = ppo.make_environment(None, N, 1)
    policy = ppo.Policy(size, actions, cell, H)
    optimizer = torch.optim.Adam(policy.parameters(), LEARNING_RATE, eps=1e-5)
    collector = ppo.Collector(environment, policy, N)
    return lambda: ppo.update(policy, optimizer, collector.play(T), EPOCHS, MINIBATCHES)


def peer_iteration(setting: Setting) -> Callable[[], object]:
    """Rollout and update of RecurrentPPO."""
    from sb3_contrib import RecurrentPPO

    N, T, H = setting
    one_lstm = {
        "lstm_hidden_size": H,
        "shared_lstm": True,
        "enable_critic_lstm": False,
        "net_arch": [],
    }
    model = RecurrentPPO(
        "MlpLstmPolicy", peer_environment(N), n_steps=T, n_epochs=EPOCHS,
        batch_size=N * T // MINIBATCHES, learning_rate=LEARNING_RATE, ent_coef=0.01,
        policy_kwargs=one_lstm, seed=1, device="cpu",
    )  # fmt: skip
    return lambda: model.learn(N * T, reset_num_timesteps=False)


def peer_environment(copies: int) -> Any:
    """`Recall` with the interface of stable-baselines3."""
    import numpy as np
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3.common.vec_env import VecEnv

    class Wrapped(VecEnv):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(
                copies, Box(0, 1, (ppo.Recall.size,), np.float32), Discrete(ppo.Recall.symbols)
            )
            self.inner = ppo.Recall(copies)
            self.actions: Any = None

        def reset(self) -> Any:
            return self.inner.reset()[0]

        def step_async(self, actions: Any) -> None:
            self.actions = actions

        def step_wait(self) -> Any:
            x, reward, done, _, _ = self.inner.step(self.actions)
            return x, reward, done, [{} for _ in range(copies)]

        def close(self) -> None: ...

        def seed(self, seed: int | None = None) -> Any: ...

        def get_attr(self, attr_name: str, indices: Any = None) -> Any:
            return [None] * copies

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

        def env_method(self, method_name: str, *args: Any, **options: Any) -> Any: ...

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * copies

    return Wrapped()


def measure(setting: Setting, rounds: int) -> dict[str, object]:
    """Steps/s of every side in one setting."""
    sides = {cell: our_iteration(cell, setting) for cell in (*CELLS, "none")}
    if find_spec("sb3_contrib"):
        with in_own_process(peer_iteration, setting) as peer:
            seconds = in_turn({**sides, "RecurrentPPO": peer}, rounds=rounds)
    else:
        print("sb3-contrib is not installed: pip install 'sunhwan[benchmark]'", file=sys.stderr)
        seconds = in_turn(sides, rounds=rounds)
    speeds = {name: setting.N * setting.T / value for name, value in seconds.items()}
    return {**setting._asdict(), "steps_per_second": speeds}


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settings", type=int, default=len(SETTINGS), help="the first so many")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    rounds = min(arguments.rounds, 2) if arguments.quick else arguments.rounds
    rows = [
        measure(s, rounds)
        for s in ((QUICK,) if arguments.quick else SETTINGS[: arguments.settings])
    ]
    header = [
        "(N, T, H)",
        "cell",
        "RecurrentPPO",
        "no state",
        "sunhwan",
        "× RecurrentPPO",
        "× no state",
    ]
    lines = []
    for row in rows:
        speeds: Any = row["steps_per_second"]
        peer, memoryless = speeds.get("RecurrentPPO"), speeds["none"]
        for cell in CELLS:
            like = peer if cell == "lstm" else None  # RecurrentPPO has LSTMs alone
            lines.append(
                (
                    (row["N"], row["T"], row["H"]),
                    cell,
                    f"{like:,.0f}" if like else "",
                    f"{memoryless:,.0f}",
                    f"{speeds[cell]:,.0f}",
                    f"{speeds[cell] / like:.1f}" if like else "",
                    f"{speeds[cell] / memoryless:.2f}",
                )
            )
    text = table(header, lines)
    text += (
        f"\nEnvironment steps a second of rollout and update together, {EPOCHS} epochs of "
        f"{MINIBATCHES} minibatches, medians of {rounds} rounds measured in turn; {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
