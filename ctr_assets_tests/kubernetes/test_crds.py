"""The operators' published schemas refuse what an operator would not understand."""

import pytest

from ctr_assets_tests.kubernetes.crds import violations
from ctr_assets_tests.kubernetes.manifests import job, pytorch_job, spark_application


@pytest.mark.parametrize("manifest", [spark_application("calc"), pytorch_job("train", "true")], ids=lambda m: m["kind"])
def test_a_valid_resource_violates_nothing(manifest):
    assert violations(manifest) == []


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ({"coers": 1}, "calc: /spec/driver: Additional properties are not allowed ('coers' was unexpected)"),
        ({"cores": "one"}, "calc: /spec/driver/cores: 'one' is not of type 'integer'"),
        ({"cores": 0}, "calc: /spec/driver/cores: 0 is less than the minimum of 1"),
    ],
)
def test_a_wrong_field_is_named_with_its_path(driver, said):
    assert violations(spark_application("calc", driver=driver)) == [said]


def test_a_kind_without_a_schema_is_an_error():
    with pytest.raises(KeyError, match="batch/v1"):
        violations(job("run"))
