# Training, evaluation and promotion. The base has no CUDA on purpose: torch's wheels bring their own CUDA, cuDNN and
# NCCL, and a CUDA base would add the same gigabytes again. The driver comes from the node.
#   docker build -f docker/pytorch.Dockerfile .                              for GPUs (runs on CPUs too)
#   docker build -f docker/pytorch.Dockerfile --build-arg TORCH_BUILD=cpu .  a tenth of the size, for kind
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TORCH_BUILD=cuda
# Every file that is installed has a hash in the lock, uv first; uv stays behind in this stage.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 \
    UV_CONSTRAINT=requirements.lock UV_BUILD_CONSTRAINT=requirements.lock
WORKDIR /opt/ctr
COPY pyproject.toml README.md requirements.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt && pip install --require-hashes -r uv.txt \
    && python -m venv --without-pip /opt/venv
ENV VIRTUAL_ENV=/opt/venv
# On its own, because it is most of the image. PyPI's torch for Linux is the CUDA build.
RUN case "$TORCH_BUILD" in \
      cuda) uv pip install torch ;; \
      cpu) uv pip install --no-deps --default-index https://download.pytorch.org/whl/cpu torch ;; \
      *) echo "TORCH_BUILD is '$TORCH_BUILD', expected cuda or cpu" >&2; exit 1 ;; \
    esac
# An empty package first: this layer is built again when a dependency changes, not when the code does. Editable, so
# that /opt/ctr is the only copy of the code.
RUN mkdir ctr_assets && touch ctr_assets/__init__.py && uv pip install -e '.[torch]'
COPY ctr_assets ctr_assets

FROM ${PYTHON_IMAGE}
# GNU OpenMP for torch and scikit-learn comes with their wheels; nothing of the distribution is needed.
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin ctr
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/ctr /opt/ctr
# GKE mounts the node's driver at /usr/local/nvidia; elsewhere NVIDIA's container runtime reads the other two.
ENV PATH=/opt/venv/bin:$PATH \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/ctr
USER 10001:10001
ENTRYPOINT ["python", "-m", "ctr_assets.jobs"]
