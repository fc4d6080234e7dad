# One image for bot, worker and migration; they differ by what they run:
#
#     docker build --tag neurocards .
#     docker run neurocards                          # run_bot.py
#     docker run neurocards run_workers.py
#     docker run neurocards scripts/migrate_db.py
#     docker run neurocards -m neurocards stats      # the operator's command line
#
# The base is pinned by its tag. For builds that can be repeated to the byte add its digest, as `docker pull` prints it:
# PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# The requirements first: as long as they stay the same, so does this layer. Wheels only: nothing is compiled, nothing else need be there.
COPY requirements.txt /build/
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-input \
        --only-binary :all: --require-hashes --requirement /build/requirements.txt \
    && /venv/bin/python -m pip uninstall --yes --quiet pip setuptools
# What .dockerignore lets through and no more. Compiled here, since nothing can be written there.
COPY . /app/
RUN python -m compileall -q /app

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Neurocards" \
      org.opencontainers.image.description="A product photo in, a short video that sells it out" \
      org.opencontainers.image.licenses="MIT"
# Files belong to root and processes to a user who can write nothing but /tmp: the root file system may be read-only.
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
WORKDIR /app
USER 10001:10001
EXPOSE 10000
# SIGTERM ends bot and worker in order within ten seconds: give them a little more before they are killed (docker stop --time 15).
STOPSIGNAL SIGTERM
# Of the bot, the image's default; what else runs from this image has another (docker-compose.yml) or none.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/health.py", "bot"]
ENTRYPOINT ["python"]
CMD ["run_bot.py"]
