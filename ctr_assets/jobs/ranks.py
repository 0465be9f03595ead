"""The rank of a process that an operator started: from torchrun's own variables, which every operator sets."""

from collections.abc import MutableMapping


def take_rank(environment: MutableMapping[str, str]) -> None:
    """Set RANK, WORLD_SIZE, LOCAL_RANK and MASTER_* from PET_*, for a pod of one rank.

    A PyTorchJob sets them as well, a TrainJob does not. A process that torchrun started has a rank of its own, and one
    that was started by itself has none: both stay as they are.
    """
    if "PET_NODE_RANK" not in environment or "TORCHELASTIC_RUN_ID" in environment:
        return
    environment["RANK"], environment["WORLD_SIZE"] = environment["PET_NODE_RANK"], environment["PET_NNODES"]
    environment["LOCAL_RANK"] = "0"
    environment["MASTER_ADDR"], environment["MASTER_PORT"] = (
        environment["PET_MASTER_ADDR"],
        environment["PET_MASTER_PORT"],
    )
