// The worker under a path of a Fastify app.
//
//   npx tsx examples/worker-fastify.ts MODEL.gguf
//   curl localhost:3000/llm/chat -H 'content-type: application/json' \
//     -d '{ "messages": [{ "role": "user", "content": "Hello" }] }'
import { pathToFileURL } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import fastify, { type FastifyInstance } from 'fastify'
import { loadModel, type Model } from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'

const PREFIX = '/llm'

export function createApp(model: Model): FastifyInstance {
  const app = fastify({ forceCloseConnections: true })
  const worker = createWorker({ model })
  const listener = getRequestListener(worker.fetch, { overrideGlobalObjects: false })
  app.register(
    async (scope) => {
      // The worker reads the bodies itself, byte by byte as they were sent.
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
      scope.all('/*', (request, reply) => {
        reply.hijack()
        request.raw.url = request.raw.url?.slice(PREFIX.length)
        listener(request.raw, reply.raw)
      })
    },
    { prefix: PREFIX },
  )
  app.get('/', async () => 'The worker is under /llm.')
  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path] = process.argv
  if (!path) throw new Error('usage: npx tsx examples/worker-fastify.ts MODEL.gguf')
  await createApp(await loadModel(path)).listen({ port: 3000 })
  console.log('http://localhost:3000/llm')
}
