import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidOptionError } from '#lib/errors.js'
import { readMessages, readTokenIds } from '#lib/options/arguments.js'
import {
  readGenerateInferenceOptions,
  readLoadOptions,
  readRenderOptions,
  readTokenizeOptions,
} from '#lib/options/read.js'
import { generate, model, refusal } from './support/options.js'

describe('an unknown name', () => {
  test.each([
    ['max_tokens', 'maxTokens'],
    ['maxtokens', 'maxTokens'],
    ['max-tokens', 'maxTokens'],
    ['maxTokesn', 'maxTokens'],
    ['maxToken', 'maxTokens'],
    ['max_new_tokens', 'maxTokens'],
    ['temprature', 'temperature'],
    ['Temperature', 'temperature'],
    ['top_p', 'topP'],
    ['top_k', 'topK'],
    ['repeat_penalty', 'repetitionPenalty'],
    ['stop_sequences', 'stop'],
    ['abortSignal', 'signal'],
    ['chat_template_kwargs', 'templateVariables'],
    ['add_generation_prompt', 'addGenerationPrompt'],
  ])('%s is answered with: did you mean %s?', (given, meant) => {
    expect(refusal(() => generate({ [given]: 1 }))).toMatchObject({
      code: 'INVALID_OPTION',
      path: given,
      message: expect.stringContaining(`Did you mean ${meant}?`),
    })
  })

  test('of another library is understood by loadModel, too', () => {
    expect(refusal(() => readLoadOptions({ n_ctx: 1 })).message).toContain('Did you mean contextSize?')
    expect(refusal(() => readLoadOptions({ n_gpu_layers: 1 })).message).toContain('Did you mean gpuLayers?')
  })

  test('that is far off gets the list, one of another function is sent on', () => {
    expect(refusal(() => generate({ mirostat: 2 })).message).toContain(
      'Known are addGenerationPrompt, controlTokens, documents,',
    )
    expect(refusal(() => generate({ contextSize: 2048 })).message).toContain('option of loadModel')
    expect(refusal(() => readRenderOptions({ temperature: 1 })).message).toContain(
      'option of generateInference',
    )
    expect(refusal(() => readLoadOptions({ temperature: 1 })).message).toContain(
      'option of generateInference',
    )
    expect(refusal(() => generate({ ['x'.repeat(100_000)]: 1 })).code).toBe('INVALID_OPTION')
  })

  test.each([
    ['temperaturexy', 'temperature'], // two letters too many of a long name
    ['temperaturexyz', undefined],
    ['temparature', 'temperature'], // one wrong letter, and one more error
    ['temparatur', 'temperature'],
    ['temparatura', undefined],
    ['sed', 'seed'], // one letter too few of a short name, but no wrong one
    ['seet', undefined],
    ['sadd', undefined],
    ['sd', undefined],
    ['topA', undefined], // neither topK nor topP
    ['temp', 'temperature'], // begun
    ['max_tok', 'maxTokens'],
    ['repe', 'repetitionPenalty'],
    ['rep', undefined],
    ['minimum', undefined],
  ])('that reads %s gets the suggestion %s', (given, meant) => {
    const { message } = refusal(() => generate({ [given]: 1 }))
    expect(message).toContain(meant === undefined ? 'Known are ' : `Did you mean ${meant}?`)
  })

  /** Names that other packages give their options, and what they are here: undefined where there is no such option. */
  const ELSEWHERE: Record<string, Record<string, string | undefined>> = {
    'llama.cpp': {
      n_predict: 'maxTokens',
      temp: 'temperature',
      top_k: 'topK',
      top_p: 'topP',
      min_p: 'minP',
      repeat_penalty: 'repetitionPenalty',
      repeat_last_n: undefined,
      n_probs: 'logprobs',
      ignore_eos: 'ignoreEndOfSequence',
      chat_template_kwargs: 'templateVariables',
      typical_p: undefined,
      mirostat: undefined,
      dry_multiplier: undefined,
      xtc_probability: undefined,
      grammar: undefined,
      json_schema: undefined,
      logit_bias: undefined,
      n_keep: undefined,
      cache_prompt: undefined,
      samplers: undefined,
      n_ctx: 'contextSize',
      ctx_size: 'contextSize',
      n_batch: undefined,
      n_ubatch: undefined,
      n_gpu_layers: 'gpuLayers',
      ngl: 'gpuLayers',
      n_threads: 'threads',
      n_parallel: 'maxSequences',
      flash_attn: 'flashAttention',
      cache_type_k: 'kvCacheType',
      main_gpu: 'mainGpu',
      tensor_split: 'tensorSplit',
      device: 'devices',
      use_mmap: undefined,
    },
    'node-llama-cpp': {
      repeatPenalty: 'repetitionPenalty',
      customStopTriggers: 'stop',
      stopOnAbortSignal: 'signal',
      onTextChunk: undefined,
      trimWhitespaceSuffix: undefined,
      batchSize: undefined,
      sequences: 'maxSequences',
      onLoadProgress: 'onProgress',
      loadSignal: 'signal',
      useMlock: undefined,
      vocabOnly: undefined,
    },
    ollama: {
      num_predict: 'maxTokens',
      num_ctx: 'contextSize',
      num_gpu: 'gpuLayers',
      num_thread: 'threads',
      num_batch: undefined,
      num_keep: undefined,
      tfs_z: undefined,
      keep_alive: undefined,
      format: undefined,
    },
    OpenAI: {
      max_tokens: 'maxTokens',
      max_completion_tokens: 'maxTokens',
      max_output_tokens: 'maxTokens',
      top_logprobs: 'logprobs',
      frequency_penalty: 'frequencyPenalty',
      presence_penalty: 'presencePenalty',
      n: undefined,
      best_of: undefined,
      user: undefined,
      store: undefined,
      tool_choice: undefined,
      response_format: undefined,
      reasoning_effort: undefined,
      metadata: undefined,
    },
    Transformers: {
      max_new_tokens: 'maxTokens',
      min_new_tokens: 'minTokens',
      max_length: 'maxTokens',
      repetition_penalty: 'repetitionPenalty',
      stop_strings: 'stop',
      do_sample: undefined,
      num_beams: undefined,
      no_repeat_ngram_size: undefined,
      eos_token_id: undefined,
      streamer: undefined,
      length_penalty: undefined,
      chat_template: 'chatTemplate',
      add_generation_prompt: 'addGenerationPrompt',
    },
    vLLM: {
      stop_token_ids: undefined,
      prompt_logprobs: undefined,
      min_tokens: 'minTokens',
      max_model_len: 'contextSize',
      max_num_seqs: 'maxSequences',
      kv_cache_dtype: 'kvCacheType',
      block_size: undefined,
      max_num_batched_tokens: undefined,
      gpu_memory_utilization: undefined,
      tensor_parallel_size: undefined,
      skip_special_tokens: undefined,
    },
  }
  test.each(
    Object.entries(ELSEWHERE).flatMap(([who, names]) =>
      Object.entries(names).map(([name, here]) => [who, name, here] as const),
    ),
  )('of %s, %s, is answered with %s, by the function that has it and by the other', (_, name, here) => {
    for (const read of [generate, readLoadOptions]) {
      const { message } = refusal(() => read({ [name]: 1 }))
      expect(message).toMatch(
        here === undefined
          ? /is not an option that is known here\. Known are /
          : new RegExp(`Did you mean ${here}(, an option of (loadModel|generateInference))?\\?$`),
      )
    }
  })

  test('is refused even when undefined, also one that Object.prototype has', () => {
    expect(refusal(() => generate({ max_tokens: undefined })).path).toBe('max_tokens')
    expect(refusal(() => generate({ toString: 1 })).path).toBe('toString')
    expect(refusal(() => generate(JSON.parse('{"__proto__": 1}'))).path).toBeDefined()
    expect(refusal(() => readLoadOptions(JSON.parse('{"__proto__": 1}'))).path).toBe('__proto__')
    expect(refusal(() => generate({ [Symbol('s')]: 1 })).path).toBe('options[Symbol(s)]')
  })
})

describe('the options object', () => {
  test('may have unknown properties that are not enumerable', () => {
    const hidden = { value: 1, enumerable: false }
    const options = Object.defineProperties({ model }, { maxToken: hidden, [Symbol('s')]: hidden })
    expect(readGenerateInferenceOptions(options).maxTokens).toBe(512)
    Object.defineProperty(options, 'maxTokens', { value: 7, enumerable: false })
    expect(readGenerateInferenceOptions(options).maxTokens).toBe(7)
  })

  test('must be an object', () => {
    for (const read of [
      readGenerateInferenceOptions,
      readRenderOptions,
      readLoadOptions,
      readTokenizeOptions,
    ]) {
      for (const options of [null, 5, 'x', [], () => 1]) {
        expect(refusal(() => read(options))).toMatchObject({ code: 'INVALID_OPTION', path: 'options' })
      }
    }
  })

  test('is read once per property, never written to, and may be a proxy of another realm', () => {
    const reads: string[] = []
    const forbidden = () => {
      throw new Error('written to')
    }
    const target = runInNewContext('({ maxTokens: 5, stop: ["a"], templateVariables: { x: 1 } })') as object
    const options = new Proxy(Object.assign(target, { model }), {
      get(from, key) {
        reads.push(String(key))
        return Reflect.get(from, key)
      },
      set: forbidden,
      defineProperty: forbidden,
      deleteProperty: forbidden,
    })
    expect(readGenerateInferenceOptions(options)).toMatchObject({
      maxTokens: 5,
      stop: ['a'],
      templateVariables: '{"x":1}',
    })
    expect(reads.sort()).toEqual(['maxTokens', 'model', 'stop', 'templateVariables'])
  })

  test('is copied: later changes do not matter, and the copy cannot be changed', () => {
    const options = { model, stop: ['a'], tools: [{ name: 'x' }], now: new Date(5) }
    const read = readGenerateInferenceOptions(options)
    options.stop.push('b')
    options.tools[0] = { name: 'y' }
    options.now.setTime(6)
    expect(read).toMatchObject({ stop: ['a'], tools: '[{"name":"x"}]', now: 5 })
    expect(Object.isFrozen(read)).toBe(true)
    expect(Object.isFrozen(read.stop)).toBe(true)
    expect(Object.isFrozen(readLoadOptions({}))).toBe(true)
    expect(Object.isFrozen(readLoadOptions({}).specialTokens)).toBe(true)
    expect(Object.isFrozen(readRenderOptions({}))).toBe(true)
  })

  test('may inherit options, but not from Object.prototype', () => {
    expect(readGenerateInferenceOptions(Object.create({ model, maxTokens: 7 })).maxTokens).toBe(7)
    class Settings {
      model = model
      get temperature() {
        return 0.25
      }
    }
    expect(readGenerateInferenceOptions(new Settings()).temperature).toBe(0.25)
    Object.defineProperty(Object.prototype, 'maxTokens', { value: 1, configurable: true })
    try {
      expect(generate({}).maxTokens).toBe(512)
    } finally {
      delete (Object.prototype as { maxTokens?: number }).maxTokens
    }
  })

  test('means the same whatever was added to Object.prototype', () => {
    const names = [
      ...['or', 'above', 'min', 'max', 'integer', 'aliases', 'remote', 'receipt', 'refuse', 'more'],
      ...['defaultText', 'type', 'root', 'elements', 'elementMember', 'refusedMembers', 'allowEmpty', 'fail'],
      ...[
        'prefix',
        'hint',
        'cause',
        'path',
        'signal',
        'temperature',
        'contextSize',
        'trustRoles',
        'bos_token',
      ],
    ]
    const read = () => {
      const now = new Date(5)
      const options = { now, seed: 1, topP: 0.5, stop: 'x', tools: [{ a: 1 }], templateVariables: { b: [2] } }
      return JSON.stringify([
        generate(options),
        readLoadOptions({ gpuLayers: 'auto', threads: 2, specialTokens: { eos_token: null } }),
        readRenderOptions({ now, documents: '[1]' }),
        readTokenizeOptions({}),
        readMessages([{ role: 'user', content: 'x' }]),
        readMessages('[{"role":"user"}]'),
        ...[{ topP: 2 }, { max_tokens: 1 }, { tools: 1 }, { n: 1 }].map(
          (wrong) => refusal(() => generate(wrong)).message,
        ),
      ])
    }
    const expected = read()
    for (const name of names) {
      for (const value of ['auto', 1, true, () => 'x']) {
        Object.defineProperty(Object.prototype, name, {
          value,
          configurable: true,
          enumerable: true,
          writable: true,
        })
        let actual: string | undefined
        try {
          actual = read()
        } catch (error) {
          actual = String(error)
        } finally {
          delete (Object.prototype as Record<string, unknown>)[name]
        }
        expect(actual, `Object.prototype.${name} = ${value}`).toBe(expected)
      }
    }
  })

  test('whose accessors throw is refused, with the cause', () => {
    const cause = new Error('boom')
    const throwing = (name: string) =>
      Object.defineProperty({ model }, name, {
        enumerable: true,
        get() {
          throw cause
        },
      })
    expect(refusal(() => readGenerateInferenceOptions(throwing('topP')))).toMatchObject({
      path: 'topP',
      cause,
    })
    expect(
      refusal(() =>
        readGenerateInferenceOptions({
          model,
          stop: new Proxy(['a'], {
            get: () => {
              throw cause
            },
          }),
        }),
      ),
    ).toMatchObject({ path: 'stop', cause })
    expect(refusal(() => readGenerateInferenceOptions({ model, signal: throwing('aborted') }))).toMatchObject(
      {
        path: 'signal',
        cause,
      },
    )
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal(() => readGenerateInferenceOptions(proxy)).path).toBe('options')
    expect(
      refusal(() =>
        readTokenIds(
          new Proxy([1], {
            get: () => {
              throw cause
            },
          }),
        ),
      ),
    ).toMatchObject({ path: 'tokenIds', cause })
  })

  test('is read or refused by a typed error, whatever it holds', () => {
    const names = [
      'maxTokens',
      'topP',
      'stop',
      'tools',
      'documents',
      'templateVariables',
      'now',
      'signal',
      'seed',
    ]
    const options = fc.dictionary(
      fc.constantFrom(...names),
      fc.anything({ withDate: true, withMap: true, withBigInt: true, withNullPrototype: true }),
    )
    fc.assert(
      fc.property(options, (given) => {
        try {
          expect(Object.isFrozen(generate(given))).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidOptionError)
          expect(names.some((name) => (error as InvalidOptionError).path.startsWith(name))).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})
