# A shared bridge alone: the two programs, without Python. From the checkout's top folder, where packaging/build.sh has
# made the wheel:
#   docker build -f packaging/containers/bridge.Dockerfile -t flarebridge .
# README.md beside this says how it is started, and where its keys come from.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS unpacked
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3-pip \
  && rm -rf /var/lib/apt/lists/*
COPY build/packaging/dist/flarebridge-*.whl /wheels/
# pip takes the wheel that fits this machine.
RUN pip install --no-cache-dir --no-deps --no-index --find-links /wheels --target /unpacked flarebridge \
  && mv /unpacked/flarebridge-*.dist-info/licenses /unpacked/licenses

FROM ${BASE}
# Uploads ask the system's authorities whether W&B's server is who it says.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/flarebridge \
    --shell /usr/sbin/nologin flarebridge \
  && install -d -m 700 -o flarebridge -g flarebridge /var/lib/flarebridge /etc/flarebridge /etc/flarebridge/clients
COPY --from=unpacked /unpacked/flarebridge/bin/ /usr/local/bin/
COPY --from=unpacked /unpacked/licenses/ /usr/local/share/doc/flarebridge/
USER 10001:10001
WORKDIR /var/lib/flarebridge
VOLUME ["/var/lib/flarebridge", "/etc/flarebridge"]
EXPOSE 5557
# Whoever connects is greeted with ten bytes of ZeroMQ, key or not; the log does not tell of it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5557 && [ \"$(head -c 10 <&3 | wc -c)\" = 10 ]"]
ENTRYPOINT ["flarebridge"]
CMD ["serve", "--state", "/var/lib/flarebridge", "--endpoint", "tcp://0.0.0.0:5557", \
  "--key", "/etc/flarebridge/bridge.key_secret", "--clients", "/etc/flarebridge/clients"]
