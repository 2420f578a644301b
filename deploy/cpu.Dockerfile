# The worker on CPUs. From the root of the source tree:
#
#   docker build -f deploy/cpu.Dockerfile -t verbatim-llama:cpu .
#   docker run -p 8080:8080 -e VERBATIM_LLAMA_API_KEY=… -v /models:/models:ro verbatim-llama:cpu /models/MODEL.gguf

FROM node:22-bookworm AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends cmake ninja-build \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN node scripts/setup.mjs --no-build
# Not for the processor of the machine that builds the image, but for whichever runs it.
RUN npx cmake-js configure --CDLLAMA_CPP_DIR=/app/llama.cpp --CDVERBATIM_CUDA=off \
    --CDGGML_CPU_ALL_VARIANTS=ON --CDVERBATIM_BUILD_TESTS=OFF \
  && npx cmake-js build \
  && npx tsc -p tsconfig.json \
  && npm prune --omit=dev

FROM node:22-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/build/Release build/Release
USER node
EXPOSE 8080
# The engine is a child: a fault of it restarts it, and the container goes on.
ENTRYPOINT ["node", "dist/cli/main.js", "serve", "--host", "0.0.0.0", "--supervise"]
