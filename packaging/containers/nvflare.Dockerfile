# An NVFlare server or site with flarebridge. From the checkout's top folder, where packaging/build.sh has made the wheel:
#   docker build -f packaging/containers/nvflare.Dockerfile -t flarebridge-nvflare .
# The startup kit of the server or site is its /workspace; README.md beside this says more.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS installed
ARG NVFLARE=2.9.0
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
  && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/flare \
  && /opt/flare/bin/pip install --no-cache-dir "nvflare==${NVFLARE}" "pyzmq>=25" "msgpack>=1.0.3"
COPY build/packaging/dist/flarebridge-*.whl /wheels/
# Without an index: what is called flarebridge there is not ours.
RUN /opt/flare/bin/pip install --no-cache-dir --no-deps --no-index --find-links /wheels flarebridge

FROM ${BASE}
# tini ends what a job's processes leave, and hands on signals.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates python3 tini \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --create-home nvflare \
  && install -d -m 700 -o nvflare -g nvflare /workspace
COPY --from=installed /opt/flare/ /opt/flare/
ENV PATH=/opt/flare/bin:/usr/local/bin:/usr/bin:/bin
USER 10001:10001
WORKDIR /workspace
VOLUME ["/workspace"]
ENTRYPOINT ["tini", "--"]
CMD ["startup/sub_start.sh", "--once"]
