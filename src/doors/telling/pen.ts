// What those who tell entries write with: the text of a door, and the turns of phrase that recur.

import { type Json, list } from './json.ts'
import type { Told } from './told.ts'

/** By entry type. */
export type Tellers = Readonly<Record<string, (data: Json) => Told>>

/**
 * A value as the door shows it: nothing in it steers a terminal or deceives the eye; empty when there is none, and
 * a word for what is private or erased.
 */
export type Text = (value: unknown) => string

export interface Pen {
  readonly text: Text
  /** `a`, `a, b`. */
  readonly texts: (values: unknown, between?: string) => string
  /** `mirror.analyze@1` -> `mirror.analyze`. */
  readonly bare: (name: unknown) => string
  /** Why, when somebody has said it. */
  readonly sentenceOf: (reason: unknown) => Pick<Told, 'sentence'>
}

export const penOf = (text: Text): Pen => ({
  text,
  texts: (values, between = ', ') => list(values).map(text).join(between),
  bare: (name) => text(name).replace(/@\d+$/, ''),
  sentenceOf: (reason) => {
    const sentence = text(reason)
    return sentence === '' ? {} : { sentence }
  },
})
