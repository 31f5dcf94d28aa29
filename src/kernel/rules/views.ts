// The law as the log has it: one row that every decision stands on, and what each source came after.

import type { Rollout } from '../gate/types.ts'
import { view } from '../log/view.ts'
import { BundleActivated, RolloutChanged, RulesReset } from './facts.ts'

export interface Law {
  /** Digest of the source in force; absent before the first start, and after a reset. */
  readonly source?: string
  readonly previous?: string
  /** Digest of the rules in force at the hub that put them in force. */
  readonly bundle?: string
  /** Seq of the entry that put the source in force. */
  readonly seq?: number
  readonly at?: string
  /** The principal chain. */
  readonly by?: string
  /** Wall clock, milliseconds: what is asked is counted until then, for whoever watches what it does. */
  readonly watchedUntilMs?: number
  /** Whether the source came from the configuration, and not from an action. */
  readonly isConfigured: boolean
  readonly isReset: boolean
  readonly configured?: { readonly policy: string; readonly rollout: Rollout }
  readonly rollout?: Rollout
  readonly rolloutAt?: string
  readonly rolloutBy?: string
}

export const ACTIVE = 'active'
/** A watch begins only when what was decided since the rehearsal has been rehearsed, too. */
const WATCH_BEGINS_MS = 300_000
const NOTHING: Law = { isConfigured: false, isReset: false }

type LawFact = typeof BundleActivated | typeof RolloutChanged | typeof RulesReset

export const law = view<Law, LawFact>('gate.law', 2, {
  from: [BundleActivated, RolloutChanged, RulesReset],
  keys: () => [ACTIVE],
  fold: (row, { type, seq, time, actor = '', data }) => {
    const before = row?.value ?? NOTHING
    if ('after' in data)
      return { ...before, rollout: data.after as Rollout, rolloutAt: time, rolloutBy: actor }
    if (!('bundle' in data))
      return type === RulesReset.name
        ? { ...NOTHING, isReset: true, ...only('configured', before.configured) }
        : before
    const { source, previous, bundle, cause, watchMs = 0 } = data
    // The first releases kept no source: the next start says which it is.
    if (source === undefined) return { ...before, bundle }
    const isSame = source === before.source
    const configured = (data.configured as Law['configured']) ?? before.configured
    return {
      isReset: false,
      isConfigured: cause === 'started' && (!isSame || before.isConfigured),
      source,
      bundle,
      ...only('previous', previous),
      seq: isSame ? (before.seq ?? seq) : seq,
      at: isSame ? (before.at ?? time) : time,
      by: isSame ? (before.by ?? actor) : actor,
      ...only('watchedUntilMs', isSame ? before.watchedUntilMs : watchedUntil(time, watchMs)),
      ...only('configured', configured),
      ...only('rollout', before.rollout ?? configured?.rollout),
      ...only('rolloutAt', before.rolloutAt),
      ...only('rolloutBy', before.rolloutBy),
    }
  },
})

const watchedUntil = (time: string, watchMs: number): number | undefined =>
  watchMs === 0 ? undefined : Date.parse(time) + watchMs + WATCH_BEGINS_MS

const only = <K extends string, V>(key: K, value: V | undefined): { readonly [k in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [k in K]?: V }

/** For each source that was in force, the one before it. */
export const sources = view<{ readonly previous?: string }, typeof BundleActivated>('gate.sources', 1, {
  from: [BundleActivated],
  keys: ({ data: { source } }) => (source === undefined ? [] : [source]),
  fold: (_, { data: { previous } }) => (previous === undefined ? {} : { previous }),
})
