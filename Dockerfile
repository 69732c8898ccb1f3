# A server of trained models, `sunhwan serve`; docs/deploy.md says how it is started.

FROM python:3.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
# The index of PyTorch's wheels for processors alone, given here, makes an image of a fifth of the size.
ARG PIP_EXTRA_INDEX_URL
COPY . /source
RUN python -m venv /opt/sunhwan && /opt/sunhwan/bin/pip install --no-cache-dir /source

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin sunhwan
COPY --from=build /opt/sunhwan /opt/sunhwan
# It writes no bytecode, and no cache in a home that is not there: only /tmp must be writable.
ENV PATH=/opt/sunhwan/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/nonexistent
USER sunhwan
WORKDIR /runs
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
ENTRYPOINT ["sunhwan", "serve", "--host", "0.0.0.0", "--port", "8000", "--allow-host", "localhost"]
# The folders of runs that are served, in /runs; options follow them.
CMD ["model"]
