// Names that no option has: they are refused, with advice on the one that was meant.
import { describe, expect, test } from 'vitest'
import { readLoadOptions, readRenderOptions } from '#lib/options/read.js'
import { generate, refusal } from './support/options.js'

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
