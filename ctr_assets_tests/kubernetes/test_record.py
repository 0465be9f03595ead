"""A run recorded from the fake cluster is what was recorded from a real one."""

import kubernetes
import yaml

from ctr_assets_tests.kubernetes import recordings
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, spark_application
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.record import CUT_CHARACTERS, main
from ctr_assets_tests.kubernetes.recorded_runs import recorded_states


def test_a_recorded_run_has_its_states_its_pods_and_its_events(api_server, tmp_path, monkeypatch):
    expected = recorded_states("rec-ok")
    kubeconfig = api_server.kubeconfig(tmp_path / "kubeconfig", NAMESPACE)
    monkeypatch.setattr(kubernetes.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    monkeypatch.setattr(recordings, "TRANSCRIPTS", tmp_path)
    manifest = tmp_path / "calc.yaml"
    long = {"metadata": {"name": "calc", "annotations": {"why": "x" * 1000}}}
    manifest.write_text(yaml.safe_dump(spark_application("calc") | long))
    with ScriptedOperator(api_server, run_processes=False, speed=50.0, scenario="ok"):
        main([str(manifest), "--seconds", "2", "--folder", str(tmp_path)])
    assert recorded_states("calc") == expected
    frames = recordings.read_transcript("calc")
    assert [frame["t"] for frame in frames] == sorted(frame["t"] for frame in frames)
    assert len(frames[0]["object"]["metadata"]["annotations"]["why"]) == CUT_CHARACTERS + len("...[cut]")
    pods = recordings.read_side_stream("calc", "pods")
    assert [frame["object"]["status"]["phase"] for frame in pods][-1] == "Succeeded"
    assert recordings.read_side_stream("calc", "events")
