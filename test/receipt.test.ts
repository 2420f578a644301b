import { createHash } from 'node:crypto'
import { type InferenceResult, loadModel, type Model, verifyReceipt } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyModel } from './support/model.js'

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello "there" \u0001é😀\n' },
]
const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters: {} } }]
const options = {
  tools,
  templateVariables: { x: 1.5 },
  maxTokens: 5,
  seed: 7,
  stop: ['zzz'],
  now: new Date(0),
}

let model: Model
let result: InferenceResult
beforeAll(async () => {
  model = await loadModel(tinyModel, { contextSize: 512, threads: 1 })
  result = await model.generateInference(messages, options)
})
afterAll(() => model.dispose())

describe('a receipt', () => {
  test('hashes what its documentation says', async () => {
    const { text, tokenIds } = await model.renderPrompt(messages, {
      tools,
      templateVariables: { x: 1.5 },
      now: new Date(0),
    })
    expect(result.receipt).toMatchObject({
      version: 1,
      messagesSha256: sha256(JSON.stringify(messages)),
      toolsSha256: sha256(JSON.stringify(tools)),
      documentsSha256: null,
      templateVariablesSha256: sha256('{"x":1.5}'),
      chatTemplateSha256: sha256(model.info.chatTemplate as string),
      modelMetadataSha256: model.info.metadataSha256,
      promptTextSha256: sha256(text),
      promptTokenIdsSha256: sha256(new Uint8Array(Uint32Array.from(tokenIds).buffer)),
      outputTokenIdsSha256: sha256(new Uint8Array(Uint32Array.from(result.tokenIds).buffer)),
      now: 0,
      addGenerationPrompt: true,
      controlTokens: 'template',
      specialTokens: model.info.specialTokens,
      sampling: {
        maxTokens: 5,
        temperature: 0.7,
        topP: 0.9,
        topK: 0,
        stop: ['zzz'],
        ignoreEndOfSequence: false,
        reproducible: false,
        speculative: false,
      },
      seed: 7,
      packageVersion: '0.1.0',
      llamaCppVersion: '0.5.0',
    })
  })

  test('survives JSON, and verifies', async () => {
    const receipt = JSON.parse(JSON.stringify(result.receipt)) as typeof result.receipt
    const evidence = { model, messages, tools, templateVariables: { x: 1.5 }, tokenIds: result.tokenIds }
    expect(await verifyReceipt(receipt, evidence)).toEqual({ ok: true, mismatches: [] })
  })

  test('hashes JSON text as the value it spells, in compact form, number spelling and key order kept', async () => {
    const spaced =
      ' [ {"role" : "user", "content":"\\u0048i \\ud83d\\ude00\\/\\n", "n": [1.0, 1e2], "b":1, "a" : 2} ] '
    const { receipt } = await model.generateInference(spaced, { maxTokens: 1 })
    expect(receipt.messagesSha256).toBe(
      sha256('[{"role":"user","content":"Hi 😀/\\n","n":[1.0,1e2],"b":1,"a":2}]'),
    )
    expect((await verifyReceipt(receipt, { model, messages: spaced })).ok).toBe(true)
  })

  test('names what does not agree', async () => {
    const evidence = { model, messages, tools, templateVariables: { x: 1.5 }, tokenIds: result.tokenIds }
    const { receipt } = result
    const mismatches = async (changed: object) =>
      (await verifyReceipt(receipt, { ...evidence, ...changed })).mismatches
    expect(await mismatches({ messages: messages.slice(1) })).toEqual([
      'messagesSha256',
      'promptTextSha256',
      'promptTokenIdsSha256',
    ])
    expect(await mismatches({ templateVariables: { x: 2 } })).toEqual(['templateVariablesSha256'])
    expect(await mismatches({ tokenIds: [] })).toEqual(['outputTokenIdsSha256'])
    await using other = await loadModel(tinyModel, {
      contextSize: 64,
      threads: 1,
      chatTemplate: '{{ messages }}',
    })
    expect(await mismatches({ model: other })).toEqual([
      'chatTemplateSha256',
      'promptTextSha256',
      'promptTokenIdsSha256',
    ])
  })
})
