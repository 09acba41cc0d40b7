# OTX Web, serving on port 7860 with its data in /data. The same image serves and works; see docs/deployment.md.
FROM python:3.11-slim

# NNCF compiles an extension of PyTorch's when it trains. Debian's packages go without versions: the base image has one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes g++ \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 user \
    && install --directory --owner=user /data

WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1

# What changes seldom comes first, and PyTorch for processors alone: 0.2 GB, not 3 with CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.lock ./
RUN pip install --no-deps --extra-index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.lock)" \
    && pip install --requirement requirements.lock

COPY pyproject.toml README.md LICENSE app.py ./
COPY configs configs
COPY jobs jobs
COPY otx_web otx_web
RUN pip install --no-deps .

USER 1000
ENV OTX_WEB_DATA=/data OTX_WEB_HOST=0.0.0.0 OTX_WEB_PORT=7860
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=30s --timeout=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["otx-web", "serve"]
