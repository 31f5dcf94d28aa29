// How an entry is told to people.

/** `good` needs no attention, `bad` does, `wait` waits for a person. */
export type Tone = 'good' | 'bad' | 'wait' | 'plain'

export interface Told {
  /** `asked for state.put on state/team`: goes on after the actor's name. */
  readonly what: string
  readonly tone: Tone
  /** What was decided or what came of it, in a word or two. */
  readonly verdict?: string
  /** Why, when it is no routine. */
  readonly sentence?: string
}

export const plain = (what: string): Told => ({ what, tone: 'plain' })
