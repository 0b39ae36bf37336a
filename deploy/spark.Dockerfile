# The batch role with Apache Spark's client beside it: `docker build -f deploy/spark.Dockerfile .`, after the image `swa`.
ARG NODE_IMAGE=node:24.22.3-bookworm-slim
ARG SPARK_IMAGE=apache/spark:4.0.1-scala2.13-java17-python3-ubuntu

FROM ${NODE_IMAGE} AS node
FROM swa AS swa

FROM ${SPARK_IMAGE}
USER root
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=swa /app /app
ENV NODE_ENV=production SWA_DATA_DIR=/data
RUN mkdir /data && chown spark:spark /data
WORKDIR /app
USER spark
VOLUME /data
HEALTHCHECK --interval=10s --timeout=8s --retries=6 --start-period=60s CMD ["node", "dist/cli/health.js"]
ENTRYPOINT ["node", "bin/swa"]
CMD ["batch"]
