# Code server, run worker, daemon and webserver: Dagster and the launchers. Neither torch nor Spark is in here; they run in
# their own images.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Every file that is installed has a hash in the lock, uv first; uv stays behind in this stage.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 \
    UV_CONSTRAINT=requirements.lock UV_BUILD_CONSTRAINT=requirements.lock
WORKDIR /opt/ctr
COPY pyproject.toml README.md requirements.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt && pip install --require-hashes -r uv.txt \
    && python -m venv --without-pip /opt/venv
ENV VIRTUAL_ENV=/opt/venv
# An empty package first: this layer is built again when a dependency changes, not when the code does. Editable, so
# that /opt/ctr is the only copy of the code.
RUN mkdir ctr_assets && touch ctr_assets/__init__.py && uv pip install -e . dagster-postgres dagster-webserver
COPY ctr_assets ctr_assets

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin ctr \
    && install --directory --owner ctr --group ctr /opt/dagster/dagster_home
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/ctr /opt/ctr
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DAGSTER_HOME=/opt/dagster/dagster_home \
    CTR_DEPLOYMENT=kubernetes
WORKDIR /home/ctr
USER 10001:10001
EXPOSE 4000
# The Helm chart states the same command; a run's Job has its own.
CMD ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "4000", "--module-name", "ctr_assets.definitions"]
