"""The GCS emulator for the tests of the store."""

from ctr_assets_tests.kubernetes.fixtures import gcs, gcs_emulator

__all__ = ["gcs", "gcs_emulator"]
