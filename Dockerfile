# Both images can be replaced by a mirror or a digest: --build-arg RUNTIME=gcr.io/distroless/nodejs24-debian13@sha256:…
ARG BUILDER=docker.io/library/node:24-slim
ARG RUNTIME=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BUILDER} AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/browser packages/browser
# Packages as the lockfile pins them, and none of their scripts.
RUN npm ci --ignore-scripts --workspace packages/browser --include-workspace-root --no-audit --no-fund
COPY scripts/build-client.ts scripts/
COPY src src
RUN node scripts/build-client.ts
# What the service itself depends on.
RUN npm ci --omit=dev --workspaces=false --ignore-scripts --prefer-offline --no-audit --no-fund
# A volume takes over the owner of the folder that it is mounted on: `lists update` and `geo build` write here.
RUN mkdir -p data/ip data/geo

# No shell, no package manager, no compiler; /nodejs/bin/node is its entry point, and Node 24 reads TypeScript as it is.
FROM ${RUNTIME}
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build --chown=65532:65532 /app/data data
COPY --from=build /app/dist/browser dist/browser
COPY package.json LICENSE ./
COPY rules rules
COPY src src
USER 65532:65532
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8787
EXPOSE 8787
# Alive, not ready: without its store the service still decides, and restarting it would heal nothing.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["/nodejs/bin/node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["src/node.ts"]
