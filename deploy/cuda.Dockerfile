# The worker on NVIDIA GPUs. From the root of the source tree:
#
#   docker build -f deploy/cuda.Dockerfile -t verbatim-llama:cuda .
#   docker run --gpus all -p 8080:8080 -e VERBATIM_LLAMA_API_KEY=… -v /models:/models:ro \
#     verbatim-llama:cuda /models/MODEL.gguf

FROM node:22-bookworm-slim AS node

FROM nvidia/cuda:12.8.1-devel-ubuntu22.04 AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends cmake g++ git ninja-build \
  && rm -rf /var/lib/apt/lists/*
COPY --from=node /usr/local /usr/local
WORKDIR /app
COPY . .
RUN node scripts/setup.mjs --no-build
RUN npx cmake-js configure --CDLLAMA_CPP_DIR=/app/llama.cpp --CDVERBATIM_CUDA=on \
    --CDGGML_CPU_ALL_VARIANTS=ON --CDVERBATIM_BUILD_TESTS=OFF \
  && npx cmake-js build \
  && npx tsc -p tsconfig.json \
  && npm prune --omit=dev

FROM nvidia/cuda:12.8.1-runtime-ubuntu22.04
COPY --from=node /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/build/Release build/Release
USER 1000
EXPOSE 8080
# The engine is a child: a fault of the device restarts it, and the container goes on.
ENTRYPOINT ["node", "dist/cli/main.js", "serve", "--host", "0.0.0.0", "--supervise"]
