import type { SpecialTokenName } from '../input-types.js'

/** The names of all special tokens; the compiler refuses a list without one of them. */
export const SPECIAL_TOKENS = Object.keys({
  bos_token: true,
  eos_token: true,
  unk_token: true,
  sep_token: true,
  pad_token: true,
  cls_token: true,
  mask_token: true,
} satisfies Record<SpecialTokenName, true>) as readonly SpecialTokenName[]
