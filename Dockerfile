# One image for every role: `docker run ... collector`, `sink`, `speed`, `batch`, `query`, or `start` for all in one.
ARG NODE_IMAGE=node:24.22.3-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# Packages first: they change less often than the code. Nothing native is compiled; lmdb and DuckDB come prebuilt.
COPY package.json package-lock.json .npmrc ./
COPY hyperloglog-ts/package.json hyperloglog-ts/
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
ENV NODE_ENV=production SWA_DATA_DIR=/data SWA_HTTP_HOST=0.0.0.0
# A named volume takes over the owner of the directory it is mounted on.
RUN mkdir /data && chown node:node /data
WORKDIR /app
COPY --from=build /app ./
USER node
VOLUME /data
# query and dashboard; collector
EXPOSE 8080 8081
# Healthy if every role in the container is running and those that serve HTTP answer.
HEALTHCHECK --interval=10s --timeout=8s --retries=6 --start-period=60s CMD ["node", "dist/cli/health.js"]
ENTRYPOINT ["node", "bin/swa"]
CMD ["start"]
