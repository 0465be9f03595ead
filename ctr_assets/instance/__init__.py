"""What a Dagster instance (deploy/*/dagster.yaml) loads of this package: how runs are queued and how they are launched.

``queue`` holds the limits of pools from the first run on. Nothing here is imported by this file, so that the laptop's
instance needs no Kubernetes client.
"""
