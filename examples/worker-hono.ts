// The worker under a path of another Hono app.
//
//   npx tsx examples/worker-hono.ts MODEL.gguf
//   curl localhost:3000/llm/chat -H 'content-type: application/json' \
//     -d '{ "messages": [{ "role": "user", "content": "Hello" }] }'
import { pathToFileURL } from 'node:url'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { loadModel, type Model } from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'

export function createApp(model: Model): Hono {
  const app = new Hono()
  app.route('/llm', createWorker({ model }))
  app.get('/', (context) => context.text('The worker is under /llm.'))
  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path] = process.argv
  if (!path) throw new Error('usage: npx tsx examples/worker-hono.ts MODEL.gguf')
  serve({ fetch: createApp(await loadModel(path)).fetch, port: 3000, hostname: '127.0.0.1' })
  console.log('http://localhost:3000/llm')
}
