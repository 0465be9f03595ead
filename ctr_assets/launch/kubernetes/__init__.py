"""Jobs on a Kubernetes cluster: their custom resources as pure functions, and the launcher that runs and follows them.

``settings`` is what a deployment chooses, ``names`` who a resource belongs to; ``spark_application``, ``pytorch_job``
and ``train_job`` build the manifests. Nothing here is imported by this file, so that each can be used alone.
"""
