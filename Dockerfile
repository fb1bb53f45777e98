# docker build --target operator  --tag docker.io/autotuner/operator:0.1.0 .
# docker build --target benchmark --tag docker.io/autotuner/benchmark:0.1.0 .
# Two images, because the dependencies of kubernetes and genai-bench cannot be in one environment. The benchmark image
# is also that of the simulated engine.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS sources
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY packaging/install-image.sh packaging/
COPY locks locks
COPY presets presets
COPY operator operator

FROM sources AS operator-packages
RUN packaging/install-image.sh operator /opt/autotuner

FROM sources AS benchmark-packages
RUN packaging/install-image.sh benchmark /opt/autotuner

# The root file system is read-only where it runs: no bytecode to write, and logs at once.
FROM ${PYTHON} AS base
ENV PYTHONPATH=/opt/autotuner PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532

FROM base AS operator
COPY --from=operator-packages /opt/autotuner /opt/autotuner
CMD ["python", "-m", "autotuner.main"]

FROM base AS benchmark
COPY --from=benchmark-packages /opt/autotuner /opt/autotuner
CMD ["python", "-m", "autotuner.benchmark.runner"]
