// The options of a request, one row each.
import { counted } from '../counted.js'
import { MAX_INT32, type OptionRows, ownOnly } from './row.js'

const HAS_OWN_OPTION = new Map([
  ['messages', 'is not a template variable to set: the messages are given on their own.'],
  ['tools', 'is not a template variable to set: use the option tools.'],
  ['documents', 'is not a template variable to set: use the option documents.'],
  ['add_generation_prompt', 'is not a template variable to set: use the option addGenerationPrompt.'],
])

/** The options of `model.renderPrompt`. */
export const RENDER_ROWS = ownOnly({
  tools: {
    sentence: 'The tools offered to the model, as its chat template takes them.',
    more: 'An array, or its JSON text.',
    takes: { kind: 'json', shape: { root: 'array', elements: 'object' }, type: 'readonly Tool[] | string' },
    default: null,
    defaultText: 'none, and the template sees none',
  },
  documents: {
    sentence: 'Documents for retrieval templates.',
    more: 'An array of JSON values, or its JSON text.',
    takes: {
      kind: 'json',
      shape: { root: 'array' },
      type: 'readonly JsonValue[] | readonly Tool[] | string',
    },
    default: null,
    defaultText: 'none',
  },
  templateVariables: {
    sentence: 'Further variables of the chat template, such as `{ enable_thinking: false }`.',
    more: 'An object, or its JSON text. `messages`, `tools`, `documents` and `add_generation_prompt` are refused: they are given on their own.',
    takes: {
      kind: 'json',
      shape: { root: 'object', refusedMembers: HAS_OWN_OPTION },
      type: '{ readonly [key: string]: JsonValue } | string',
    },
    default: null,
    defaultText: 'none',
    aliases: ['chattemplatekwargs', 'templatekwargs', 'variables'],
  },
  addGenerationPrompt: {
    sentence: 'End the prompt with the start of the assistant’s message.',
    takes: { kind: 'boolean' },
    default: true,
  },
  now: {
    sentence: 'The time that templates with a date see.',
    takes: { kind: 'date' },
    default: null,
    defaultText: 'the time of the call',
  },
  controlTokens: {
    sentence: 'Places where the spelling of a control token becomes that token; elsewhere it stays text.',
    takes: { kind: 'controlTokens', wanted: "'template', 'anywhere' or { trustRoles }" },
    default: 'template',
  },
  ignoredInputs: {
    sentence:
      'Refuse tools, documents and template variables that the chat template ignores (`refuse`), or `allow` them.',
    more:
      'Ignored is what the template does not test, and of whose value no character is in the prompt. Such messages are ' +
      'refused in any case.',
    takes: { kind: 'choice', values: ['refuse', 'allow'] },
    default: 'refuse',
  },
} as const satisfies OptionRows)

/** The options of `model.generateInference`. */
export const GENERATE_ROWS = ownOnly({
  maxTokens: {
    sentence: 'The most tokens to generate.',
    takes: { kind: 'number', range: { integer: true, min: 1, max: MAX_INT32 } },
    default: 512,
    aliases: [
      'maxnewtokens',
      'maxcompletiontokens',
      'maxoutputtokens',
      'maxlength',
      'npredict',
      'numpredict',
    ],
    receipt: true,
  },
  minTokens: {
    sentence: 'The message does not end before this many tokens; `stop` texts still end it.',
    more:
      'As in Transformers: until then the tokens that end a message cannot be chosen. More than `maxTokens` is refused, ' +
      'and so is any with `ignoreEndOfSequence`; a full context ends the message earlier. A model that has nothing more to ' +
      'say may begin another turn: its control tokens are in `tokenIds`, not in `text`.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: MAX_INT32 } },
    default: 0,
    aliases: ['minnewtokens', 'minlength', 'minpredict', 'minoutputtokens'],
    receipt: true,
    refuse: ({ minTokens, maxTokens, ignoreEndOfSequence }) => {
      if (minTokens === 0) return undefined
      if (ignoreEndOfSequence) return 'has no effect with ignoreEndOfSequence. Leave one of them out.'
      return (minTokens as number) > (maxTokens as number)
        ? `is ${minTokens}, more than the ${counted(maxTokens as number, 'token')} of maxTokens.`
        : undefined
    },
  },
  temperature: {
    sentence: 'Divide the logits by this; 0 always takes the most likely token.',
    takes: { kind: 'number', range: { min: 0, max: 100 } },
    default: 0.7,
    aliases: ['temp'],
    receipt: true,
  },
  topP: {
    sentence: 'Keep the most likely tokens that together have this probability; 1 is off.',
    takes: { kind: 'number', range: { above: 0, max: 1 } },
    default: 0.9,
    receipt: true,
  },
  topK: {
    sentence: 'Keep this many of the most likely tokens; 0 is off.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: MAX_INT32 } },
    default: 0,
    receipt: true,
  },
  minP: {
    sentence: 'Drop tokens less likely than this share of the most likely one; 0 is off.',
    takes: { kind: 'number', range: { min: 0, max: 1 } },
    default: 0,
    receipt: true,
  },
  repetitionPenalty: {
    sentence: 'Divide the scores of tokens that occurred before by this; 1 is off.',
    takes: { kind: 'number', range: { above: 0, max: 100 } },
    default: 1,
    aliases: ['repeatpenalty', 'repetition'],
    receipt: true,
  },
  presencePenalty: {
    sentence: 'Take this from the score of every token that was generated before; 0 is off.',
    takes: { kind: 'number', range: { min: -100, max: 100 } },
    default: 0,
    receipt: true,
  },
  frequencyPenalty: {
    sentence: 'Take this from the score of a token for each time it was generated before; 0 is off.',
    takes: { kind: 'number', range: { min: -100, max: 100 } },
    default: 0,
    receipt: true,
  },
  seed: {
    sentence: 'Seed of the random choices.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER } },
    default: null,
    defaultText: 'drawn anew, and returned with the result',
  },
  stop: {
    sentence:
      'Texts that end the generation and are not part of the result: one, or up to 16, none of them empty.',
    takes: { kind: 'texts', most: 16 },
    default: [],
    defaultText: 'none',
    aliases: ['stopsequences', 'stopstrings', 'stoptexts', 'stopwords', 'stoptriggers', 'customstoptriggers'],
    receipt: true,
  },
  signal: {
    sentence: 'Cancels the request: it rejects with the signal’s reason.',
    takes: { kind: 'signal' },
    default: null,
    defaultText: 'none',
    aliases: ['abortsignal', 'stoponabortsignal', 'loadsignal'],
    remote: false,
  },
  logprobs: {
    sentence: 'Report the log probability of each chosen token, and of this many of the most likely ones.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: 20 } },
    default: null,
    defaultText: 'log probabilities are not reported',
    aliases: ['toplogprobs', 'nprobs'],
  },
  ignoreEndOfSequence: {
    sentence: 'Generate on when the model ends its message, up to `maxTokens`.',
    takes: { kind: 'boolean' },
    default: false,
    aliases: ['ignoreeos'],
    receipt: true,
  },
  reproducible: {
    sentence:
      'The same messages, options and seed give the same tokens whatever else is running, on the same machine and build: slower.',
    more:
      'Without it, requests are computed together, and rounding depends on who shares a batch: where two tokens are ' +
      'almost equally likely, the choice may differ. With it a request is computed by itself, in a context of its own ' +
      '(made at the first such request: more memory for its cache of `contextSize` cells), one after the other, and ' +
      'nothing is taken from the prefix cache.',
    takes: { kind: 'boolean' },
    default: false,
    receipt: true,
  },
  speculative: {
    sentence:
      '`prompt-lookup` drafts what the text repeats of itself or of the prompt, and checks the drafts in one batch.',
    more:
      'The distribution of the output is unchanged. Faster for texts that repeat their prompt (summaries, corrections, ' +
      'code), slower for others: see `timings.draftedTokens`. Needs a model whose cache can be cut at any token ' +
      '(`info.prefixSharing`).',
    takes: { kind: 'choice', values: ['prompt-lookup', false] },
    default: false,
    receipt: true,
  },
  ...RENDER_ROWS,
} as const satisfies OptionRows)

/** The options of `model.tokenize`. */
export const TOKENIZE_ROWS = ownOnly({
  controlTokens: {
    sentence:
      'Meaning of the spelling of a control token, such as `<|im_end|>`: those characters (`text`), or the token (`parse`).',
    takes: { kind: 'choice', values: ['text', 'parse'] },
    default: 'text',
  },
} as const satisfies OptionRows)

/** The options of `template.render`. */
export const TEMPLATE_RENDER_ROWS = ownOnly({
  now: {
    sentence: 'The time that `strftime_now` sees.',
    takes: { kind: 'date' },
    default: null,
    defaultText: 'the time of the call',
  },
  specialTokens: {
    sentence: 'Special tokens as the template sees them; their text counts as the template’s.',
    takes: { kind: 'specialTokens' },
    default: null,
    defaultText: 'the template’s own',
  },
} as const satisfies OptionRows)
