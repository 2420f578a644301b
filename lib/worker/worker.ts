import { type Context, Hono } from 'hono'
import { counted } from '../counted.js'
import { isThenable } from '../json-shape.js'
import { type Model, requireModel } from '../model.js'
import { Exchange, type WorkerEnv } from './exchange.js'
import { GENERATE_ENDPOINTS, generate } from './generate.js'
import { HttpError, unavailable } from './http-error.js'
import { defaultModelId, workerInfo } from './info.js'
import { type JsonBody, readJsonBody } from './json-body.js'
import { ApiKeys } from './keys.js'
import { Metrics } from './metrics.js'
import { ModelFiles } from './model-files.js'
import { complete, modelList, modelObject, requireModelId } from './openai.js'
import { openApiDocument } from './openapi.js'
import { render, tokenize } from './prompts.js'
import { readBody } from './request-body.js'
import { readWorkerOptions, type WorkerOptions } from './worker-options.js'

/**
 * A worker: a Hono app that answers HTTP requests with a model. Its `fetch` can be served by anything, at any path.
 *
 * It adds no prompt of its own: messages reach the model's chat template as the JSON text that the client sent.
 *
 * @throws InvalidOptionError
 */
export function createWorker(options: WorkerOptions): Hono<WorkerEnv> {
  return new Worker(options).app
}

type Answer = (exchange: Exchange) => Response | Promise<Response>

/** The model that is served, its name and its files. */
interface ServedModel {
  readonly model: Model
  readonly modelId: string
  readonly files: ModelFiles
}

class Worker {
  readonly app = new Hono<WorkerEnv>()
  readonly #options: ReturnType<typeof readWorkerOptions>
  readonly #keys: ApiKeys
  readonly #metrics: Metrics
  readonly #created = Math.floor(Date.now() / 1000)
  #served: ServedModel | undefined
  #loadFailed = false

  constructor(options: WorkerOptions) {
    this.#options = readWorkerOptions(options)
    this.#keys = new ApiKeys(this.#options.apiKeys)
    this.#metrics = new Metrics(this.#options.registry)
    this.#addRoutes()
    const { model } = this.#options
    if (isThenable(model)) this.#beginLater(model)
    else this.#begin(model)
  }

  async #beginLater(loading: PromiseLike<Model>): Promise<void> {
    let model: unknown
    try {
      model = await loading
    } catch {
      this.#loadFailed = true // the caller, who made the promise, knows the reason
      return
    }
    try {
      requireModel(model)
      this.#begin(model)
    } catch (error) {
      this.#loadFailed = true
      process.emitWarning(error as Error) // nobody else can know it
    }
  }

  #begin(model: Model): void {
    const { modelId, shutdown } = this.#options
    this.#metrics.watch(model)
    const files = new ModelFiles(model.info.path, shutdown)
    this.#served = { model, modelId: modelId ?? defaultModelId(model), files }
  }

  #addRoutes(): void {
    const { slowReaderMs } = this.#options
    this.#route('GET', '/health', (exchange) => exchange.json({ status: 'ok' }), 'open')
    this.#route('GET', '/ready', (exchange) => this.#ready(exchange), 'open')
    this.#route('GET', '/metrics', async (exchange) => {
      const { registry } = this.#metrics
      return exchange.text(await registry.metrics(), registry.contentType)
    })
    this.#route('GET', '/openapi.json', (exchange) => exchange.json(openApiDocument()))
    this.#route('GET', '/worker/info', (exchange) => {
      const { model, modelId, files } = this.#model()
      return exchange.json(workerInfo(model, modelId, files))
    })
    this.#route('GET', '/v1/models', (exchange) =>
      exchange.json(modelList(this.#model().modelId, this.#created)),
    )
    this.#route('GET', '/v1/models/{id}', (exchange) => {
      const { modelId } = this.#model()
      const asked = exchange.context.req.param('id')
      // The name takes the slash at the end, too.
      requireModelId(asked === `${modelId}/` ? modelId : asked, modelId)
      return exchange.json(modelObject(modelId, this.#created))
    })
    for (const [path, maxTokens] of Object.entries(GENERATE_ENDPOINTS))
      this.#post(path, (exchange, body, { model }) =>
        generate(exchange, body, model, maxTokens, slowReaderMs),
      )
    this.#post('/render', (exchange, body, { model }) => render(exchange, body, model))
    this.#post('/tokenize', (exchange, body, { model }) => tokenize(exchange, body, model))
    this.#post('/v1/chat/completions', (exchange, body, { model, modelId }) =>
      complete(exchange, body, model, modelId, slowReaderMs),
    )
    // Have a route for what is unknown below /v1, where errors have a shape of their own: an app of Hono around this
    // one takes over our routes and nothing else.
    this.app.all('/v1/*', (context) => this.#unknown(context, '/v1/*'))
    this.app.notFound((context) => this.#unknown(context, 'other'))
  }

  #unknown(context: Context<WorkerEnv>, endpoint: string): Promise<Response> {
    return this.#answer(new Exchange(context, endpoint, this.#metrics, this.#options.logger), () => {
      this.#keys.check(context.req.header('authorization'))
      throw new HttpError('NOT_FOUND', 'There is no such endpoint. GET /openapi.json lists all of them.')
    })
  }

  #ready(exchange: Exchange): Response {
    this.#model()
    this.#requireOpen()
    return exchange.json({ status: 'ready' })
  }

  #post(
    path: string,
    answer: (exchange: Exchange, body: JsonBody, served: ServedModel) => Promise<Response>,
  ): void {
    this.#route('POST', path, async (exchange) => {
      const served = this.#model()
      this.#requireOpen()
      const { maxBodyBytes, maxMessages } = this.#options
      const body = readJsonBody(await readBody(exchange.context.req.raw, maxBodyBytes))
      const messages = body.values.get('messages')
      if (Array.isArray(messages) && messages.length > maxMessages)
        throw new HttpError(
          'TOO_MANY_MESSAGES',
          `messages has more than ${counted(maxMessages, 'message')}, the most that is taken.`,
          {
            path: 'messages',
          },
        )
      return answer(exchange, body, served)
    })
  }

  /** Answers at the path, with or without a slash at its end. */
  #route(
    method: 'GET' | 'POST',
    path: string,
    answer: Answer,
    access: 'open' | 'with key' = 'with key',
  ): void {
    const answerAll = (context: Context<WorkerEnv>) => {
      const exchange = new Exchange(context, path, this.#metrics, this.#options.logger)
      return this.#answer(exchange, () => {
        if (access === 'with key') this.#keys.check(context.req.header('authorization'))
        // Allow HEAD where GET is: Hono answers it with the headers of GET.
        if (context.req.method !== method && !(method === 'GET' && context.req.method === 'HEAD'))
          throw new HttpError('METHOD_NOT_ALLOWED', `${path} answers ${method}.`, {
            headers: { allow: method },
          })
        return answer(exchange)
      })
    }
    // `{id}` takes all that follows: the name of a model may have slashes.
    const pattern = path.replace('{id}', ':id{.+}')
    for (const each of [`${pattern}/`, pattern]) this.app.all(each, answerAll)
  }

  async #answer(exchange: Exchange, answer: () => Response | Promise<Response>): Promise<Response> {
    try {
      return await answer()
    } catch (error) {
      return exchange.failed(error)
    }
  }

  #model(): ServedModel {
    if (this.#served) return this.#served
    throw unavailable(
      'NOT_READY',
      this.#loadFailed ? 'The model could not be loaded.' : 'The model is being loaded.',
    )
  }

  #requireOpen(): void {
    if (this.#options.shutdown?.aborted) throw unavailable('SHUTTING_DOWN', 'The worker is shutting down.')
  }
}
