# One service as an image, with what all services share and its own folder alone: docker build --build-arg SERVICE=auth .
# No secret is in it. Each is told in the environment, or in files of /run/secrets (.env.example names them).
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS packages
COPY requirements.runtime.lock /tmp/
RUN python -m venv --without-pip /opt/wardgate \
 && python -m pip --python /opt/wardgate/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: --requirement /tmp/requirements.runtime.lock

FROM ${PYTHON} AS python
LABEL org.opencontainers.image.title="Wardgate" \
      org.opencontainers.image.description="Multi-factor authentication for multi-tenant portals" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/wardgate/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 SECRETS_DIR=/run/secrets
WORKDIR /app
COPY --from=packages /opt/wardgate /opt/wardgate
COPY shared shared
COPY services/__init__.py services/

# The command line, and what prepares the servers: docker build --target ops .
FROM python AS ops
COPY services services
COPY ops ops
COPY examples examples
# Volumes that are mounted here take over who owns these folders.
RUN python -m compileall -q shared services ops \
 && install -d -o 10001 -g 10001 /keys /for \
      /for/gateway /for/auth /for/policy /for/enrollment /for/audit \
      /for/operator /for/administrator /for/rabbitmq /for/mongodb /for/grafana
USER 10001:10001
ENTRYPOINT ["python", "-P", "-m", "ops.cli"]

FROM python AS service
ARG SERVICE
RUN test -n "$SERVICE" || { echo "Which one? --build-arg SERVICE=auth" >&2; exit 1; }
COPY services/${SERVICE} services/${SERVICE}
RUN python -m compileall -q shared services
ENV SERVICE=${SERVICE}
USER 10001:10001
EXPOSE 8080
CMD ["sh", "-c", "exec python -P -m shared.runtime.serving \"$SERVICE\" --host 0.0.0.0 --port 8080"]
