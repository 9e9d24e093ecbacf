# docker build --target cpu -t sdbench .            for any machine
# docker build --target cuda -t sdbench:cuda .      for NVIDIA GPUs
FROM python:3.12-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM nvidia/cuda:12.8.1-base-ubuntu24.04 AS cuda
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/sdbench
ENV PATH=/opt/sdbench/bin:$PATH HOME=/home/sdbench SDBENCH_HOME=/home/sdbench/cache HF_HOME=/home/sdbench/huggingface
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir /wheel/*.whl \
 && useradd --create-home --uid 1001 sdbench \
 && chmod 1777 /home/sdbench
USER 1001
WORKDIR /work
ENTRYPOINT ["sdbench"]

FROM python:3.12-slim-bookworm AS cpu
ENV HOME=/home/sdbench SDBENCH_HOME=/home/sdbench/cache HF_HOME=/home/sdbench/huggingface
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu /wheel/*.whl \
 && useradd --create-home --uid 1001 sdbench \
 && chmod 1777 /home/sdbench
USER 1001
WORKDIR /work
ENTRYPOINT ["sdbench"]
