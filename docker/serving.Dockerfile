# The server of the champion: onnxruntime behind KServe's model server. Neither torch nor Spark nor Dagster.
#   docker build -f docker/serving.Dockerfile .
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
# The extra alone: the package's own dependencies hold Dagster. Editable, so that /opt/ctr is the only copy of the code.
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["serving"], sep="\n")' > serving.txt \
 && uv pip install -r serving.txt \
 && mkdir ctr_assets && touch ctr_assets/__init__.py && uv pip install --no-deps -e .
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
