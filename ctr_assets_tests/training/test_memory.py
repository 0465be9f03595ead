import subprocess
import sys

STEPS = """
import resource, sys, torch
from ctr_assets.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def step():
    return torch.ones(1 << 24) + torch.ones(1 << 24)  # pieces of 64 MiB
for _ in range(4):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(12):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults_of(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, check=True).stdout)


def test_the_memory_of_a_step_is_that_of_the_step_before() -> None:
    # Of its 36 pieces a heap may still place one or another anew.
    assert faults_of("kept") < faults_of("given back") / 5
