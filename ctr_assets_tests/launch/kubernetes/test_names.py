"""A job's resource has the same name and labels each time, a valid one, and no other job has them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctr_assets.launch.kubernetes.names import attempt_of, is_same_owner, label_value, labels, resource_name

RUN = "3f0c1a52-9c9e-4d6b-8a51-0d1b7a9c4e11"
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
jobs = st.tuples(
    st.text(max_size=50),
    st.text(max_size=80),
    st.lists(st.text(max_size=30), max_size=4).map(tuple),
    st.integers(0, 9999),
)


@pytest.mark.parametrize(
    ("step", "partitions", "attempt", "readable"),
    [
        ("encoded_features", ("2014-10-21",), 0, r"ctr-encoded-features-141021-\w{8}-a0"),
        ("evaluation_metrics", ("2014-10-21",), 0, r"ctr-evaluation-metric-141021-\w{8}-a0"),
        ("raw_impressions", ("2014-10-21", "2014-10-22", "2014-10-30"), 1, r"ctr-raw-impres-141021-141030-\w{8}-a1"),
        ("champion_model", ("",), 12, r"ctr-champion-model-\w{8}-a12"),
        ("encoded_features", (), 0, r"ctr-encoded-features-\w{8}-a0"),
        ("Group.Step[x]", ("EU/west",), 0, r"ctr-group-step-x-euwest-\w{8}-a0"),
        ("___", ("☃",), 9999, r"ctr-\w{8}-a9999"),
    ],
)
def test_a_name_can_be_read(step, partitions, attempt, readable):
    assert re.fullmatch(readable, resource_name(RUN, step, partitions, attempt), re.ASCII)


def test_a_name_never_changes():
    # A run that was upgraded while it ran must still find its resource.
    assert resource_name(RUN, "encoded_features", ("2014-10-21",), 0) == "ctr-encoded-features-141021-flkig4nx-a0"


@given(jobs)
def test_a_name_is_a_dns_1035_label_of_at_most_40_characters(job):
    name = resource_name(*job)
    assert DNS_1035.fullmatch(name)
    assert len(name) <= 40
    assert name == resource_name(*job)


@given(jobs, jobs)
def test_different_jobs_have_different_names(one, other):
    assert (resource_name(*one) == resource_name(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((RUN, "a", ("x", "y"), 0), (RUN, "a", ("x,y",), 0)),
        ((RUN, "a", ("2014-10-21", "2014-10-23"), 0), (RUN, "a", ("2014-10-21", "2014-10-22", "2014-10-23"), 0)),
        ((RUN, "encoded_features_of_one_kind", ("d",), 0), (RUN, "encoded_features_of_one_sort", ("d",), 0)),
        ((RUN, "a", ("d",), 1), (RUN, "a", ("d",), 11)),
        ((RUN, "a-b", ("d",), 0), (RUN, "a_b", ("d",), 0)),
        ((RUN, "a", ("",), 0), (RUN, "a", (), 0)),
    ],
)
def test_what_reads_alike_is_told_apart(one, other):
    assert resource_name(*one) != resource_name(*other)


@pytest.mark.parametrize("attempt", [-1, 10_000])
def test_an_attempt_out_of_bounds_is_refused(attempt):
    with pytest.raises(ValueError, match=f"attempt is {attempt}, expected 0 to 9999"):
        resource_name(RUN, "a", ("d",), attempt)


def test_labels_say_whose_it_is():
    assert labels(RUN, "nightly", "encoded_features", ("2014-10-21",), "ctr_assets.definitions", 2) == {
        "app.kubernetes.io/managed-by": "ctr-assets",
        "ctr-assets/run-id": RUN,
        "ctr-assets/job": "nightly",
        "ctr-assets/asset": "encoded_features",
        "ctr-assets/partition": "2014-10-21",
        "ctr-assets/code-location": "ctr_assets.definitions",
        "ctr-assets/attempt": "2",
    }


def test_a_range_is_labelled_by_its_ends_and_tells_gaps_apart():
    whole = labels(RUN, "j", "a", ("2014-10-21", "2014-10-22", "2014-10-23"), "c", 0)["ctr-assets/partition"]
    gap = labels(RUN, "j", "a", ("2014-10-21", "2014-10-23"), "c", 0)["ctr-assets/partition"]
    assert whole.startswith("2014-10-21..2014-10-23-")
    assert gap.startswith("2014-10-21..2014-10-23-")
    assert whole != gap


@given(st.text(max_size=200))
def test_every_label_value_is_accepted_by_the_api_server(text):
    value = label_value(text)
    assert LABEL_VALUE.fullmatch(value)
    assert len(value) <= 63


@pytest.mark.parametrize("text", ["__ASSET_JOB", "a/b:c d", "x" * 64, "☃", "-", "a\n"])
def test_a_value_that_must_change_keeps_a_hash_of_the_original(text):
    assert label_value(text) != text
    assert label_value(text) != label_value(text + "x")


def test_the_owner_is_told_by_run_asset_partitions_and_attempt():
    mine = labels(RUN, "nightly", "a", ("d",), "c", 0)
    assert is_same_owner(mine, dict(mine))
    assert is_same_owner(mine, {**mine, "more": "labels"})
    assert is_same_owner(mine, labels(RUN, "nightly", "a", ("d",), "renamed location", 0))
    assert not is_same_owner(mine, labels("other run", "nightly", "a", ("d",), "c", 0))
    assert not is_same_owner(mine, labels(RUN, "nightly", "b", ("d",), "c", 0))
    assert not is_same_owner(mine, labels(RUN, "nightly", "a", ("e",), "c", 0))
    assert not is_same_owner(mine, labels(RUN, "nightly", "a", ("d",), "c", 1))


def test_a_resource_without_our_labels_has_another_owner():
    assert not is_same_owner({}, {})
    mine = labels(RUN, "nightly", "a", ("d",), "c", 0)
    foreign = {**mine, "app.kubernetes.io/managed-by": "Helm"}
    assert not is_same_owner(mine, {})
    assert not is_same_owner(foreign, foreign)


@pytest.mark.parametrize("attempt", [0, 12, 9999])
def test_the_attempt_can_be_read_from_a_name(attempt):
    assert attempt_of(resource_name("run", "a-a-model", ("2014-10-21",), attempt)) == attempt
