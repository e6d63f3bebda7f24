# syntax=docker/dockerfile:1
# One image for every part: `docker run mos-online <verb>` is `mos <verb>`.

FROM python:3.12.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/uv.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r requirements/uv.txt
ENV VIRTUAL_ENV=/opt/mos UV_LINK_MODE=copy UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
# The dependencies first: this layer stays the same while our own code changes.
RUN /opt/uv/bin/uv venv $VIRTUAL_ENV && /opt/uv/bin/uv pip install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY mos_online mos_online
COPY features features
COPY publishing publishing
COPY streams streams
COPY serving serving
COPY learning learning
COPY monitoring monitoring
COPY simulator simulator
COPY evaluation evaluation
COPY mos_cli mos_cli
RUN /opt/uv/bin/uv pip install --no-deps --no-build-isolation .

FROM python:3.12.11-slim-bookworm
RUN useradd --uid 10001 --create-home mos && install -d -o mos -g mos /var/lib/mos
COPY --from=build /opt/mos /opt/mos
ENV PATH=/opt/mos/bin:$PATH PYTHONUNBUFFERED=1 MOS_HOME=/var/lib/mos
USER mos
WORKDIR /home/mos
# A named volume that is mounted here takes over the owner of the folder.
VOLUME /var/lib/mos
ENTRYPOINT ["mos"]
CMD ["--help"]
