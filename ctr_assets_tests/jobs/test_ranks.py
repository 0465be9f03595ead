"""Which ranks work on a job that torchrun, or the training operator, started on several."""

import pytest

from ctr_assets.jobs import DISTRIBUTED_JOBS, PYTORCH_JOBS
from ctr_assets.jobs.__main__ import main
from ctr_assets.problems import SettingsError


@pytest.fixture
def rank_1(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # which main() sets


@pytest.mark.usefixtures("rank_1")
@pytest.mark.parametrize("job", sorted({*PYTORCH_JOBS} - {*DISTRIBUTED_JOBS}))
def test_of_most_jobs_a_rank_other_than_0_does_not_even_read_the_parameters(job):
    assert main([job, "--params", "{}"]) == 0


@pytest.mark.usefixtures("rank_1")
@pytest.mark.parametrize("job", DISTRIBUTED_JOBS)
def test_of_a_job_that_ranks_share_every_rank_works(job):
    with pytest.raises(SettingsError, match=f"--params of {job}"):
        main([job, "--params", "{}"])
