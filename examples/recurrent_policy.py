"""Recurrent policy: proximal policy optimisation (PPO) on a task that needs memory.

    python examples/recurrent_policy.py
    python examples/recurrent_policy.py --cell lstm --env popgym-RepeatPreviousEasy-v0

In the built-in task, `Recall`, an episode begins with a symbol that must be named at its end. The
policy with a recurrent layer learns it; `--cell none`, two layers without a state, can only guess.
--env takes the id of any gymnasium environment with discrete actions (`pip install gymnasium`).
Schulman et al. 2017, Proximal policy optimization algorithms; 2016, generalized advantage estimation.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

import sunhwan
from sunhwan.cells import State

GAMMA, LAMBDA = 0.99, 0.95  # discount; decay of the advantage estimate
CLIP, VALUE_WEIGHT, ENTROPY_WEIGHT, MAX_NORM = 0.2, 0.5, 0.01, 0.5


class Recall:
    """N copies of a memory task: name at the end of an episode the symbol that it began with.

    An observation is [one of 4 symbols | first step? | last step?]. The steps between show random
    symbols, 3 to 15 of them, so episodes differ in length. Only the action at the last step counts:
    reward 1 for the symbol of the first step, else 0. As in gymnasium's vector environments a
    finished copy begins anew at once, and `step` gives the first observation of its next episode.
    """

    symbols = 4
    size = symbols + 2

    def __init__(self, copies: int, seed: int = 1) -> None:
        self.copies, self.rng = copies, np.random.default_rng(seed)
        self.wanted = np.zeros(copies, np.int64)  # the symbol of the first step
        self.left = np.zeros(copies, np.int64)  # steps until the last one

    def reset(self, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.left[:] = 0
        return self._observe(np.ones(self.copies, bool)), {}

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        done = self.left == 0
        reward = (done & (action == self.wanted)).astype(np.float32)
        self.left -= 1
        return self._observe(done), reward, done, np.zeros_like(done), {}

    def _observe(self, first: np.ndarray) -> np.ndarray:
        shown = self.rng.integers(self.symbols, size=self.copies)
        self.wanted = np.where(first, shown, self.wanted)
        lengths = self.rng.integers(4, 17, size=self.copies)
        self.left = np.where(first, lengths, self.left)
        last = self.left == 0
        x = np.zeros((self.copies, self.size), np.float32)
        x[np.arange(self.copies), shown] = ~last
        x[:, -2], x[:, -1] = first, last
        return x


def make_environment(name: str | None, copies: int, seed: int) -> tuple[Any, int, int]:
    """N copies of an environment, the size of an observation, and the number of actions."""
    if name is None:
        return Recall(copies, seed), Recall.size, Recall.symbols
    try:
        import gymnasium
        from gymnasium.wrappers import FlattenObservation
    except ImportError:
        raise SystemExit("--env needs gymnasium: pip install gymnasium") from None

    if name.startswith("popgym-"):
        import popgym  # noqa: F401  (registers its environments)
    same_step = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    environment = gymnasium.make_vec(
        name, copies, "sync", vector_kwargs=same_step, wrappers=[FlattenObservation]
    )
    actions = environment.single_action_space
    if not isinstance(actions, gymnasium.spaces.Discrete):
        raise SystemExit(f"{name} has the actions {actions}, but Discrete(…) is needed")
    return environment, environment.single_observation_space.shape[0], int(actions.n)


class Policy(nn.Module):
    """Policy and value function on one recurrent layer, or on two layers without a state."""

    def __init__(self, size: int, actions: int, cell: str, hidden_size: int) -> None:
        super().__init__()
        H = hidden_size
        self.recurrent = None if cell == "none" else sunhwan.Recurrent(cell, size, H)
        self.memoryless = nn.Sequential(nn.Linear(size, H), nn.Tanh(), nn.Linear(H, H), nn.Tanh())
        self.heads = nn.Linear(hidden_size, actions + 1)
        nn.init.orthogonal_(self.heads.weight, 0.01)  # at first every action is equally likely
        nn.init.zeros_(self.heads.bias)

    def initial_state(self, copies: int) -> list[State]:
        return [] if self.recurrent is None else self.recurrent.initial_state(copies)

    def forward(
        self, x: Tensor, state: list[State], resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor, list[State]]:
        """x (N, T, D), resets (N, T) → log π (N, T, A), V (N, T), state.

        resets[n, t]: x[n, t] is the first observation of an episode.
        """
        if self.recurrent is None:
            output = self.memoryless(x)
        else:
            output, state = self.recurrent(x, state, resets=resets)
        scores = self.heads(output)
        return scores[..., :-1].log_softmax(-1), scores[..., -1], state


class Rollout(NamedTuple):
    """T steps of N copies, (N, T, …), and the state before the first of them."""

    x: Tensor
    resets: Tensor
    state: list[State]
    actions: Tensor
    log_p: Tensor
    advantages: Tensor
    returns: Tensor


class Collector:
    """An environment being played: observation and state go on from rollout to rollout."""

    def __init__(self, environment: Any, policy: Policy, copies: int, seed: int = 1) -> None:
        self.environment, self.policy = environment, policy
        self.x = _row(environment.reset(seed=seed)[0])
        self.resets = torch.ones(copies, 1, dtype=torch.bool)
        self.state = policy.initial_state(copies)
        self.score, self.scores = np.zeros(copies), [0.0]  # so far; of the finished episodes

    @torch.no_grad()
    def play(self, T: int, *, greedy: bool = False) -> Rollout:
        self.scores = []
        first_state, steps = self.state, []
        for _ in range(T):
            x, resets = self.x, self.resets
            log_p, value, self.state = self.policy(x, self.state, resets)
            drawn = torch.multinomial(log_p[:, 0].exp(), 1)
            action = log_p[:, 0].argmax(-1, keepdim=True) if greedy else drawn
            observed, reward, ended, cut, info = self.environment.step(action[:, 0].numpy())
            self.x, done = _row(observed), ended | cut
            self._count(reward, done)
            reward = torch.as_tensor(reward, dtype=torch.float32).unsqueeze(1)
            if cut.any():  # by a limit of time: what would have followed is worth V
                reward += GAMMA * self._value_behind(info["final_obs"], cut & ~ended)
            self.resets = torch.from_numpy(done).unsqueeze(1)
            chosen = log_p[:, 0].gather(1, action)
            steps.append((x, resets, action, chosen, value, reward, self.resets))
        x, resets, actions, log_p, values, rewards, done = (
            torch.cat(column, 1) for column in zip(*steps, strict=True)
        )
        _, next_value, _ = self.policy(self.x, self.state, self.resets)
        advantages = estimate_advantages(rewards, torch.cat([values, next_value], 1), done)
        return Rollout(x, resets, first_state, actions, log_p, advantages, advantages + values)

    def _value_behind(self, last: np.ndarray, rows: np.ndarray) -> Tensor:
        """V (N, 1) of the last observations of these rows, 0 in the others."""
        x = np.stack([np.asarray(o) if row else np.zeros(self.x.shape[2])
                      for o, row in zip(last, rows, strict=True)])  # fmt: skip
        _, value, _ = self.policy(_row(x), self.state)
        return value * torch.from_numpy(rows).unsqueeze(1)

    def _count(self, reward: np.ndarray, done: np.ndarray) -> None:
        self.score += reward
        self.scores += self.score[done].tolist()
        self.score[done] = 0


def _row(x: np.ndarray) -> Tensor:
    """Observations (N, D) → one step (N, 1, D)."""
    return torch.as_tensor(x, dtype=torch.float32).unsqueeze(1)


def estimate_advantages(rewards: Tensor, values: Tensor, done: Tensor) -> Tensor:
    """rewards, done (N, T), values (N, T + 1) → generalised advantage estimates (N, T)."""
    going = (~done).float()
    delta = rewards + GAMMA * values[:, 1:] * going - values[:, :-1]
    advantages, after = torch.empty_like(delta), torch.zeros(len(delta))
    for t in reversed(range(delta.shape[1])):
        advantages[:, t] = after = delta[:, t] + GAMMA * LAMBDA * going[:, t] * after
    return advantages


def minibatches(rollout: Rollout, count: int) -> Iterator[Rollout]:
    """Whole rows in random order: a row keeps its T steps in sequence, and its first state."""
    for rows in torch.randperm(len(rollout.x)).chunk(count):
        state = [type(s)(*(field[rows] for field in s)) for s in rollout.state]
        yield Rollout(*(state if f is rollout.state else f[rows] for f in rollout))


def ppo_loss(policy: Policy, batch: Rollout) -> Tensor:
    """Clipped surrogate objective, squared error of V, and entropy, over (N, T) in one call."""
    log_p, values, _ = policy(batch.x, batch.state, batch.resets)
    chosen = (log_p * one_hot(batch.actions, log_p.shape[-1])).sum(-1)
    ratio = (chosen - batch.log_p).exp()
    advantages = (batch.advantages - batch.advantages.mean()) / (
        batch.advantages.std(correction=0) + 1e-8
    )
    gain = torch.min(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
    error = (values - batch.returns).square().mean()
    entropy = -(log_p.exp() * log_p).sum(-1).mean()
    return VALUE_WEIGHT * error - gain - ENTROPY_WEIGHT * entropy


def update(
    policy: Policy, optimizer: torch.optim.Optimizer, rollout: Rollout, epochs: int, count: int
) -> None:
    for _ in range(epochs):
        for batch in minibatches(rollout, count):
            optimizer.zero_grad()
            ppo_loss(policy, batch).backward()
            nn.utils.clip_grad_norm_(policy.parameters(), MAX_NORM)
            optimizer.step()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", help="id of a gymnasium environment; default: Recall")
    parser.add_argument("--cell", nargs="+", choices=(*sunhwan.CELLS, "none"), default=["gru"])
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--copies", type=int, default=64, help="N: environments side by side")
    parser.add_argument("--steps", type=int, default=64, help="T: steps of a rollout")
    parser.add_argument("--updates", type=int, default=30, help="rollouts to learn from")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--minibatches", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    N, T = options.copies, options.steps

    for cell in options.cell:
        torch.manual_seed(options.seed)
        environment, size, actions = make_environment(options.env, N, options.seed)
        policy = Policy(size, actions, cell, options.hidden_size)
        optimizer = torch.optim.Adam(policy.parameters(), options.learning_rate, eps=1e-5)
        collector = Collector(environment, policy, N, options.seed)
        begun = time.perf_counter()
        for number in range(1, options.updates + 1):
            update(policy, optimizer, collector.play(T), options.epochs, options.minibatches)
            if number % max(1, options.updates // 10) == 0:
                mean = np.mean(collector.scores or [np.nan])
                played, seconds = number * N * T, time.perf_counter() - begun
                speed = f"{played / seconds:,.0f} a second"
                print(f"{cell}: {played:9,} steps, {speed}  return {mean:.3f}")
        environment, _, _ = make_environment(options.env, N, options.seed + 1)
        evaluation = Collector(environment, policy, N, options.seed + 1)
        evaluation.play(4 * T, greedy=True)
        mean = np.mean(evaluation.scores or [np.nan])
        print(f"{cell}: greedy return {mean:.3f} in {len(evaluation.scores)} new episodes")


if __name__ == "__main__":
    main()
