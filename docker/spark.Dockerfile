# Driver and executors of the Spark jobs. Not built on apache/spark: its Python is the distribution's (3.10 or 3.12) and
# this package needs 3.11, the same in driver and executors. The pyspark wheel has all of Spark, Kubernetes included,
# but for the entry point of the pods, which docker/spark-entrypoint.sh is.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Every file that is installed has a hash in the lock, uv first; uv stays behind in this stage.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 \
    UV_CONSTRAINT=requirements.lock UV_BUILD_CONSTRAINT=requirements.lock
ENV SPARK_HOME=/opt/venv/lib/python3.11/site-packages/pyspark
WORKDIR /opt/ctr
COPY pyproject.toml README.md requirements.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt && pip install --require-hashes -r uv.txt \
    && python -m venv --without-pip /opt/venv
ENV VIRTUAL_ENV=/opt/venv
# An empty package first: this layer is built again when a dependency changes, not when the code does. Editable, so
# that /opt/ctr is the only copy of the code.
RUN mkdir ctr_assets && touch ctr_assets/__init__.py && uv pip install -e '.[spark]'
# The GCS connector, gcs-connector-hadoop3-2.2.6-shaded, as PyPI's pyspark-gcs bundles it: pinned with the rest, and
# known to work with Spark 4.3's Hadoop 3.5 under the overrides of ctr_assets/launch/kubernetes/spark_conf.py.
RUN uv pip install --no-deps --target /tmp/pyspark-gcs pyspark-gcs \
    && mv /tmp/pyspark-gcs/pyspark_gcs/jars/gcs-connector-*-shaded.jar "$SPARK_HOME/jars/" \
    && rm -r /tmp/pyspark-gcs "$SPARK_HOME/examples"
COPY ctr_assets ctr_assets

FROM ${PYTHON_IMAGE}
# Java 17 is the oldest that Spark 4 runs on and the one that Debian 12 has; tini passes SIGTERM on to the JVM.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin ctr \
    && install --directory --owner ctr --group ctr /opt/spark/work-dir
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/ctr /opt/ctr
COPY --chmod=0755 docker/spark-entrypoint.sh /opt/entrypoint.sh
ENV PATH=/opt/venv/bin:$PATH \
    SPARK_HOME=/opt/venv/lib/python3.11/site-packages/pyspark \
    PYSPARK_PYTHON=/opt/venv/bin/python \
    PYSPARK_DRIVER_PYTHON=/opt/venv/bin/python \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/spark/work-dir
USER 10001:10001
ENTRYPOINT ["/opt/entrypoint.sh"]
