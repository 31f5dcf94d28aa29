// Halts: who must not act any more, since when and why.

import { command, noun, Page, paging, query } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Described, type Static, Timestamp, Type } from '../schema/schema.ts'

/** Principals that are stopped at a time. */
export const HALTS_MAX = 1000

/** Whoever may stand in a chain can be stopped, also whom only a program names: see `SubjectId` in outside/contract.ts. */
const Halted = Type.String({
  pattern: '^(user|agent|service|component):[A-Za-z0-9][A-Za-z0-9._@+=|~-]*$',
  maxLength: 160,
  description: 'a principal such as agent:NAME',
})
const How = Type.Union([Type.Literal('kill'), Type.Literal('quarantine')])
export type How = Static<typeof How>
const RunsBecome = Type.Union([Type.Literal('pause'), Type.Literal('cancel'), Type.Literal('leave')])
export type RunsBecome = Static<typeof RunsBecome>
const Reason = Type.String({
  minLength: 1,
  maxLength: 1000,
  description: 'why, in words that everybody may read: it is recorded as it is',
})

export const HaltPlaced = entryType('halt.placed@1', {
  principal: Halted,
  how: How,
  runs: RunsBecome,
  reason: Reason,
})
export const HaltReleased = entryType('halt.released@1', { principal: Halted, reason: Reason })

export const Halt = noun('Halt', {
  principal: Halted,
  /** `kill`: nothing at all. `quarantine`: queries of low risk only. */
  how: How,
  /** What became of its runs. */
  runs: RunsBecome,
  reason: Reason,
  placedAt: Timestamp,
  placedBy: Type.String(),
})
export type Halt = Static<typeof Halt>

/** By principal, as it stands in the chain: `agent:bot`. */
export const halts = view<Halt, typeof HaltPlaced | typeof HaltReleased>('halts.principals', 1, {
  from: [HaltPlaced, HaltReleased],
  keys: ({ data }) => [data.principal],
  fold: (_, entry) =>
    entry.type === HaltReleased.name
      ? null
      : {
          ...(entry.data as Static<typeof HaltPlaced.schema>),
          placedAt: entry.time,
          placedBy: entry.actor ?? '',
        },
})

/** The one row of `haltedNames`. */
export const HALTED_KEY = 'all'

/** Who is stopped: one row that every halt moves, so that two halts cannot both leave the other's owner behind. */
export const haltedNames = view<
  { readonly names: readonly string[] },
  typeof HaltPlaced | typeof HaltReleased
>('halts.names', 1, {
  from: [HaltPlaced, HaltReleased],
  keys: () => [HALTED_KEY],
  fold(row, { type, data }) {
    const others = (row?.value.names ?? []).filter((name) => name !== data.principal)
    return { names: type === HaltPlaced.name ? [...others, data.principal].sort() : others }
  },
})

const stopping = {
  input: {
    principal: Halted,
    reason: Reason,
    runs: Type.Optional(
      Described(RunsBecome, 'what its runs under way do: pause (default), cancel (and undo), or leave'),
    ),
  },
  output: Halt,
  errors: ['halts.last-owner', 'halts.stands', 'limit'],
  // An owner need not wait for another one: what must be stopped must be stopped now.
  risk: 'high',
  isReserved: true,
  effect: 'atomic',
  resource: ({ principal }: { principal: string }) => `halts/${principal}`,
  facts: ['principal'],
} as const
const positional = ['principal', 'reason'] as const

export const kill = command('halts.kill@1', {
  ...stopping,
  summary: 'Stops a principal at once: nothing is permitted in which it takes part, and its runs are held.',
  cli: { positional, shortcut: 'kill' },
})

export const quarantine = command('halts.quarantine@1', {
  ...stopping,
  summary: 'Stops a principal as a kill does, but it may still ask queries of low risk.',
  cli: { positional, shortcut: 'quarantine' },
})

export const release = command('halts.release@1', {
  summary: 'Lets a principal act again; its runs stay paused until somebody resumes them.',
  input: { principal: Halted, reason: Reason },
  output: Halt,
  errors: ['not-found'],
  risk: 'critical',
  isReserved: true,
  effect: 'atomic',
  resource: ({ principal }) => `halts/${principal}`,
  facts: ['principal'],
  cli: { positional: ['principal', 'reason'] },
})

export const listHalts = query('halts.list@1', {
  summary: 'Principals that are stopped: since when, by whom and why.',
  input: { ...paging(Type.String({ maxLength: 256, description: 'go on after this principal' })) },
  output: Page(Halt),
  risk: 'medium',
  http: { path: 'halts' },
})
