import pytest
import torch

from ctr_assets.training.precision import LossScale, choose_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_stated_precision_is_kept(name) -> None:
    assert choose_precision(name, CPU) is {
        "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]  # fmt: skip


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_f": True, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({}, torch.float32),
    ],
)
def test_a_cpu_computes_in_bf16_only_where_it_has_the_instructions(monkeypatch, capabilities, dtype) -> None:
    # A double: no one machine has all these processors.
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision("auto", CPU) is dtype


@pytest.mark.parametrize(("has_bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_cuda_computes_in_bf16_or_else_fp16(monkeypatch, has_bf16, dtype) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has_bf16)
    assert choose_precision("auto", CUDA) is dtype


def test_an_overflow_halves_the_scale_and_skips_the_step() -> None:
    scale = LossScale(torch.float16)
    assert scale.accepts([torch.ones(3)])
    assert not scale.accepts([torch.ones(3), torch.tensor([1.0, float("inf")])])
    assert scale.value == 2.0**15
    scale.good_steps = LossScale.GROWTH_STEPS - 1
    assert scale.accepts([torch.ones(1)])
    assert scale.value == 2.0**16


def test_other_precisions_need_no_scale() -> None:
    scale = LossScale(torch.bfloat16)
    assert scale.value == 1
    assert scale.accepts([torch.tensor(float("inf"))])
