// A chat endpoint with Express 5.
//
//   npx tsx examples/express-server.ts MODEL.gguf
//   curl -N localhost:3000/chat -H 'content-type: application/json' \
//     -d '{ "messages": [{ "role": "user", "content": "Hello" }], "stream": true }'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import express, { type ErrorRequestHandler, type Express } from 'express'
import { loadModel, type Model } from 'verbatim-llama'
import { errorBody, eventStream, readChat, statusOf } from './chat.js'

export function createApp(model: Model): Express {
  const app = express()
  app.use(express.json({ limit: '1mb' }))

  app.post('/chat', async (request, response) => {
    const { messages, options, stream } = readChat(request.body)
    const gone = new AbortController() // ends the run when the client leaves
    response.once('close', () => gone.abort())
    const run = model.generateInference(messages, { ...options, signal: gone.signal })

    if (!stream) {
      response.json(await run)
      return
    }
    const events = await eventStream(run)
    response.type('text/event-stream')
    await pipeline(events, response).catch(() => {}) // only a client that left makes it fail
  })

  const onError: ErrorRequestHandler = (error, _request, response, _next) => {
    response.status(statusOf(error)).json(errorBody(error))
  }
  app.use(onError)
  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path] = process.argv
  if (!path) throw new Error('usage: npx tsx examples/express-server.ts MODEL.gguf')
  const model = await loadModel(path)
  const server = createApp(model).listen(3000, () => console.log('http://localhost:3000/chat'))
  process.once('SIGINT', async () => {
    server.close()
    await model.dispose() // ends the runs in progress
    server.closeAllConnections()
  })
}
