// What the log says about the rules: which came into force and why, how far they bind, and that somebody started over.

import { entryType } from '../log/entry.ts'
import { Closed, Integer, Sha256, Type } from '../schema/schema.ts'

export const Mode = Type.Union(
  [Type.Literal('log-only'), Type.Literal('enforce-critical'), Type.Literal('enforce')],
  { description: 'log-only, enforce-critical or enforce' },
)
export const State = Type.Union([Type.Literal('draft'), Type.Literal('shadow'), Type.Literal('enforced')], {
  description: 'draft, shadow or enforced',
})
export const ShareBy = Type.Union([Type.Literal('principal'), Type.Literal('request')], {
  description: 'whether principals or single requests are chosen; default: principal',
})

/** `state`, `state.put` or `state.put@1`. */
export const ActionPrefix = Type.String({
  pattern: '^[a-z][a-z0-9-]*(\\.[a-z0-9][a-z0-9-]*)*(\\.|@[1-9][0-9]{0,4})?$',
  maxLength: 128,
  description: 'the name of an action or a part of it up to a dot: state, state.put or state.put@1',
})
/** `state.put@1`. */
export const ActionName = Type.String({
  pattern: '^[a-z][a-z0-9-]*(\\.[a-z][a-z0-9-]*)+@[1-9][0-9]*$',
  maxLength: 128,
  description: 'the name of an action, such as state.put@1',
})
export const PolicyId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  maxLength: 128,
  description: 'the @id of a policy',
})
export const Reason = Type.String({ maxLength: 1000, description: 'why, for the log' })

/** With what was before beside it, a roll-out still fits into an entry. */
export const PREFIXES_MAX = 64
export const OVERRIDES_MAX = 128

/** `Rollout` of the gate in the form in which it is kept. */
export const RolloutForm = Closed({
  mode: Mode,
  actions: Type.Optional(
    Type.Array(Closed({ prefix: ActionPrefix, mode: Mode }), { maxItems: PREFIXES_MAX }),
  ),
  policies: Type.Optional(Type.Record(PolicyId, State, { maxProperties: OVERRIDES_MAX })),
  share: Type.Optional(
    Closed({
      percent: Type.Integer({ minimum: 0, maximum: 100 }),
      by: ShareBy,
      seed: Type.String({ maxLength: 128 }),
    }),
  ),
})

/** What the configuration asked for, so that the next start can tell whether it asks for something else. */
const Configured = Closed({
  /** Digest of the files of `gate.policy`, or `starter` where it is not set. */
  policy: Type.String({ maxLength: 128 }),
  rollout: RolloutForm,
})

/** Rules came into force. `bundle` is what evidence names; `source` are the files as somebody handed them in. */
export const BundleActivated = entryType('gate.bundle-activated@1', {
  bundle: Sha256,
  /** Their ids, as far as an entry has room for them. */
  policies: Type.Array(Type.String()),
  policyCount: Type.Optional(Integer),
  mode: Type.String(),
  /** Absent in entries of the first releases. */
  source: Type.Optional(Sha256),
  /** The source that a roll-back would put in force again. */
  previous: Type.Optional(Sha256),
  /** The source that was in force until now. */
  replaced: Type.Optional(Sha256),
  cause: Type.Optional(
    Type.Union([Type.Literal('started'), Type.Literal('loaded'), Type.Literal('rolled-back')]),
  ),
  configured: Type.Optional(Configured),
  reason: Type.Optional(Reason),
  /** For how long whoever put it in force watches it; absent: nobody does. */
  watchMs: Type.Optional(Integer),
})

/** How far the rules bind has changed. */
export const RolloutChanged = entryType('gate.rollout-changed@1', {
  before: RolloutForm,
  after: RolloutForm,
  /** `started`: the configuration asked for it. */
  cause: Type.Union([Type.Literal('started'), Type.Literal('changed')]),
  reason: Type.Optional(Reason),
})

/** Whoever owns the folder took the rules back, offline: the next start is as the first one, with the starter rules. */
export const RulesReset = entryType('gate.rules-reset@1', {
  /** Name of the operating system's user. */
  user: Type.String(),
  reason: Type.Optional(Reason),
})
