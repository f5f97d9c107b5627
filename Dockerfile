# syntax=docker/dockerfile:1
# One image with both programs: `pulsegate` (the default) and `logic-server`.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# What is downloaded and compiled stays between builds; only the programs leave this step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package pulsegate --package pulsegate-logic \
    && install -D --target-directory=/out target/release/pulsegate target/release/logic-server

# The same Debian as above, so that the C library fits.
FROM debian:bookworm-slim
RUN useradd --system --uid 14000 --user-group --home-dir /var/lib/pulsegate pulsegate \
    && install --directory --owner=pulsegate --group=pulsegate --mode=0750 /var/lib/pulsegate
COPY --from=build /out/ /usr/local/bin/

# Every other setting keeps its default. A file is named by PULSEGATE_CONFIG; these go before it.
ENV PULSEGATE_CLIENT__LISTEN=0.0.0.0:14000 \
    PULSEGATE_JOURNAL__DIR=/var/lib/pulsegate/journal
# A number, so that Kubernetes can tell that it is not root.
USER 14000
WORKDIR /var/lib/pulsegate
VOLUME /var/lib/pulsegate
EXPOSE 14000

# Whether the relay answers. Not whether it is ready: it must not be replaced because logic is
# away, since its clients are still there.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["pulsegate", "health"]
CMD ["pulsegate"]
