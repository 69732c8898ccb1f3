"""How far the gradient of a trained network reaches, by cell: `python -m benchmarks.horizons`.

Each cell learns the memory tasks of `sunhwan lab memory` at one delay, with the same budget; then the
gradient of the last output is followed back over fresh sequences.
"""

import torch

from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.inspection.measures.gradient_flow import FlowCurve, flow_of
from sunhwan.lab.memory import MemoryNetwork, Settings
from sunhwan.lab.tasks import TASKS, get_task

CELLS = ("elman", "gru", "lstm")
ROWS = 64


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--delay", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for task in TASKS:
        for cell in CELLS:
            loss, curve = trained(cell, task, arguments.delay, arguments.steps, arguments.seed)
            rows.append((task, cell, f"{loss:.3f}", reach(curve), share(curve, arguments.delay)))
    header = ["task", "cell", "loss", "horizon", f"share left after {arguments.delay} steps"]
    text = table(header, rows) + (
        f"\nThe horizon is the lag from which on the median of ‖∂L/∂state‖ over {ROWS} sequences stays "
        f"under 1 % of its start; of an LSTM that of c. {Settings().hidden_size} hidden units, "
        f"{arguments.steps} steps of training at most, seed {arguments.seed}. {machine()}.\n"
    )
    publish(text, rows, arguments)


def reach(curve: FlowCurve) -> str:
    """The horizon in words."""
    return f"beyond {len(curve.median) - 1}" if curve.horizon is None else str(curve.horizon)


def share(curve: FlowCurve, delay: int) -> str:
    """What is left of the gradient after so many steps."""
    return f"{curve.median[delay] / curve.start:.2g}" if curve.start else "nothing"


def trained(cell: str, task: str, delay: int, steps: int, seed: int) -> tuple[float, FlowCurve]:
    """Train a network → its last loss, and the gradient of the memory's field."""
    chosen = get_task(task, delay)
    torch.manual_seed(seed)
    network = MemoryNetwork(cell, chosen, Settings().hidden_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(seed)
    loss = torch.zeros(())
    for _ in range(steps):
        batch = chosen.draw(32, generator)
        optimizer.zero_grad()
        loss = chosen.loss(network(batch.inputs), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    batch = chosen.draw(ROWS, generator)

    def losses() -> torch.Tensor:
        outputs = network(batch.inputs)
        last = zip(outputs[:, -1:], batch.targets[:, -1:], strict=True)
        return torch.stack([chosen.loss(o[None], t[None]) for o, t in last])

    curves = flow_of(network.recurrent, losses, lags=batch.inputs.shape[1] - 1)
    return loss.item(), curves[-1]


if __name__ == "__main__":
    main()
