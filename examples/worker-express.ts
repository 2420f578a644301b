// The worker under a path of an Express app.
//
//   npx tsx examples/worker-express.ts MODEL.gguf
//   curl localhost:3000/llm/chat -H 'content-type: application/json' \
//     -d '{ "messages": [{ "role": "user", "content": "Hello" }] }'
import { pathToFileURL } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import express, { type Express } from 'express'
import { loadModel, type Model } from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'

export function createApp(model: Model): Express {
  const app = express()
  const worker = createWorker({ model })
  // Before any body parser: the worker reads the bodies itself, byte by byte as they were sent.
  app.use('/llm', getRequestListener(worker.fetch, { overrideGlobalObjects: false }))
  app.use(express.json())
  app.get('/', (_request, response) => void response.send('The worker is under /llm.'))
  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path] = process.argv
  if (!path) throw new Error('usage: npx tsx examples/worker-express.ts MODEL.gguf')
  createApp(await loadModel(path)).listen(3000, '127.0.0.1', () => console.log('http://localhost:3000/llm'))
}
