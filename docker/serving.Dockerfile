# The server of the champion: onnxruntime behind KServe's model server. Neither torch nor Spark nor Dagster.
#   docker build -f docker/serving.Dockerfile .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/ctr
COPY pyproject.toml README.md constraints.txt ./
# The extra alone: the package's own dependencies hold Dagster. Editable, so that /opt/ctr is the only copy of the code.
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["serving"])' > serving.txt \
 && pip install -c constraints.txt $(cat serving.txt) \
 && mkdir ctr_assets && touch ctr_assets/__init__.py && pip install -c constraints.txt --no-deps -e .
COPY ctr_assets ctr_assets

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin ctr
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/ctr /opt/ctr
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/ctr
USER 10001:10001
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "ctr_assets.serving"]
