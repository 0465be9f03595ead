"""Which number format the dense layers compute in, and loss scaling for fp16."""

from contextlib import AbstractContextManager, nullcontext

import torch

from ctr_assets.training.config import Precision


def choose_precision(setting: Precision, device: torch.device) -> torch.dtype:
    """The dtype of the dense layers: as set, or for ``auto`` bf16 where the device computes it in hardware.

    A CPU without bf16 instructions emulates it several times slower than fp32, so it gets fp32; a CUDA device without
    them gets fp16.
    """
    if setting != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[setting]
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bf16 else torch.float16
    return torch.bfloat16 if cpu_computes_bf16() else torch.float32


def cpu_computes_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware (AVX512-BF16 or AMX)."""
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "amx_tile"))


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision of the dense layers; nothing for fp32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


class LossScale:
    """Dynamic loss scale for fp16: gradients below 6e-8 would vanish. Constant 1 for the other formats.

    ``torch.amp.GradScaler`` knows only dense optimizers; here the row tables must skip the same steps.
    """

    GROWTH_STEPS = 2000

    def __init__(self, dtype: torch.dtype) -> None:
        self.is_active = dtype == torch.float16
        self.value = 2.0**16 if self.is_active else 1.0
        self.good_steps = 0

    def accepts(self, gradients: list[torch.Tensor]) -> bool:
        """Whether a step may be made: False, with the scale halved, when a gradient overflowed."""
        if not self.is_active:
            return True
        if not torch.stack([torch.isfinite(gradient).all() for gradient in gradients]).all():  # one read of the device
            self.value, self.good_steps = max(1.0, self.value / 2), 0
            return False
        self.good_steps += 1
        if self.good_steps % self.GROWTH_STEPS == 0:
            self.value *= 2
        return True
