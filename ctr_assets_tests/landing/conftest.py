"""The GCS emulator, for the landing zones in object storage."""

from ctr_assets_tests.kubernetes.fixtures import gcs, gcs_emulator

__all__ = ["gcs", "gcs_emulator"]
