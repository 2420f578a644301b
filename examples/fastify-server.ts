// A chat endpoint with Fastify 5.
//
//   npx tsx examples/fastify-server.ts MODEL.gguf
//   curl -N localhost:3000/chat -H 'content-type: application/json' \
//     -d '{ "messages": [{ "role": "user", "content": "Hello" }], "stream": true }'
import { pathToFileURL } from 'node:url'
import fastify, { type FastifyInstance } from 'fastify'
import { loadModel, type Model } from 'verbatim-llama'
import { errorBody, eventStream, readChat, statusOf } from './chat.js'

export function createApp(model: Model): FastifyInstance {
  // close() waits for nobody; /chat/ is /chat, as in Express
  const app = fastify({ forceCloseConnections: true, routerOptions: { ignoreTrailingSlash: true } })

  app.post('/chat', async (request, reply) => {
    const { messages, options, stream } = readChat(request.body)
    const gone = new AbortController() // ends the run when the client leaves
    reply.raw.once('close', () => gone.abort())
    const run = model.generateInference(messages, { ...options, signal: gone.signal })

    if (!stream) return run
    return reply.type('text/event-stream').send(await eventStream(run))
  })

  app.setErrorHandler((error, _request, reply) => reply.status(statusOf(error)).send(errorBody(error)))
  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path] = process.argv
  if (!path) throw new Error('usage: npx tsx examples/fastify-server.ts MODEL.gguf')
  const model = await loadModel(path)
  const app = createApp(model)
  await app.listen({ port: 3000 })
  console.log('http://localhost:3000/chat')
  process.once('SIGINT', async () => {
    await model.dispose() // ends the runs in progress
    await app.close()
  })
}
