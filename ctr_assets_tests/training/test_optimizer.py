import pytest
import torch
from torch import nn

from ctr_assets.training.layout import TableLayout
from ctr_assets.training.model import RowTable
from ctr_assets.training.optimizer import RowAdagrad, RowAdam, row_optimizer

ROWS, DIMENSION = 50, 6


@pytest.fixture
def table() -> RowTable:
    layout = TableLayout("deep", 0, 1, DIMENSION, ROWS)
    return RowTable(layout, torch.tensor([0]), 0.1, torch.Generator().manual_seed(0))


def batches(count: int = 12) -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    return [(torch.randperm(ROWS - 10)[:8].sort().values.int(), torch.randn(8, DIMENSION)) for _ in range(count)]


def test_lazy_adam_equals_torch_sparse_adam(table: RowTable) -> None:
    embedding = nn.Embedding.from_pretrained(table.weight.clone(), freeze=False, sparse=True)
    reference = torch.optim.SparseAdam(embedding.parameters(), lr=0.02)
    ours = RowAdam(table)
    for rows, gradient in batches():
        ours.step(rows, gradient, 0.02)
        embedding.weight.grad = torch.sparse_coo_tensor(
            rows.long()[None], gradient, (ROWS, DIMENSION), check_invariants=True
        )
        reference.step()
    torch.testing.assert_close(table.weight, embedding.weight.detach(), rtol=1e-4, atol=1e-6)


def test_row_wise_adagrad_is_its_formula(table: RowTable) -> None:
    expected, sums = table.weight.double(), torch.zeros(ROWS, dtype=torch.float64)
    ours = RowAdagrad(table)
    for rows, gradient in batches():
        ours.step(rows, gradient, 0.05)
        for row, g in zip(rows.tolist(), gradient.double(), strict=True):
            sums[row] += (g**2).mean()
            expected[row] -= 0.05 * g / (sums[row].sqrt() + 1e-10)
    torch.testing.assert_close(table.weight.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adagrad"])
def test_a_step_touches_only_the_rows_of_the_batch(table: RowTable, name) -> None:
    before = table.weight.clone()
    optimizer = row_optimizer(name, table)
    (rows, gradient), (more, gradient2) = batches(2)
    optimizer.step(rows, gradient, 0.1)
    optimizer.step(more, gradient2, 0.1)
    changed = set((table.weight != before).any(1).nonzero().flatten().tolist())
    assert changed == set(rows.tolist()) | set(more.tolist())
    for tensor in optimizer.state_dict().values():
        if tensor.dim():
            moved = tensor.reshape(ROWS, -1).any(1).nonzero().flatten().tolist()
            assert set(moved) == changed


@pytest.mark.parametrize("name", ["adam", "adagrad"])
def test_a_restored_state_goes_on_alike(table: RowTable, name) -> None:
    import copy

    other = copy.deepcopy(table)
    unbroken, first, second = row_optimizer(name, table), row_optimizer(name, other), row_optimizer(name, other)
    work = batches(4)
    for rows, gradient in work:
        unbroken.step(rows, gradient, 0.1)
    for rows, gradient in work[:2]:
        first.step(rows, gradient, 0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for rows, gradient in work[2:]:
        second.step(rows, gradient, 0.1)
    assert torch.equal(table.weight, other.weight)
