"""Makes torch take this CPU for one with, or without, bf16 in hardware: what ``CTR_TESTS_PRECISION`` asks for.

Python imports a module of this name at its start. ``conftest.py`` puts this folder on the path of the tests and so of
every process that they start, and only there: the package itself knows no such variable.
"""

import importlib.machinery
import os
import sys
from types import ModuleType
from typing import Any

PRECISION = os.environ.get("CTR_TESTS_PRECISION", "")
BF16_IN_HARDWARE = ("avx512_bf16", "amx_bf16", "amx_tile")
HAS_BF16 = {"fp32": False, "bf16": True}


class TorchCpuFinder:
    """Finds ``torch.cpu`` like the path does, and changes what it says once it is loaded."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name == "torch.cpu" else None
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_change(module: Any) -> None:
                load(module)
                capabilities = module.get_capabilities
                module.get_capabilities = lambda: {
                    **capabilities(),
                    **dict.fromkeys(BF16_IN_HARDWARE, HAS_BF16[PRECISION]),
                }

            spec.loader.exec_module = load_and_change  # type: ignore[method-assign]
        return spec


if PRECISION:
    if PRECISION not in HAS_BF16:
        raise ValueError(f"CTR_TESTS_PRECISION is {PRECISION!r}: set it to fp32 or bf16, or not at all")
    sys.meta_path.insert(0, TorchCpuFinder())
