// What the facts of webhooks fold into: endpoints, sources, and a count of changes that tells followers to look again.

import { present } from '../../kernel/feed/strangers.ts'
import type { Principal } from '../../kernel/gate/types.ts'
import { view } from '../../kernel/log/view.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  EndpointDisabled,
  EndpointEnabled,
  EndpointRegistered,
  EndpointRemoved,
  EndpointUpdated,
  SecretRotated,
  SourcePut,
  SourceRemoved,
} from './facts.ts'
import type { SourceShape } from './schemas.ts'

type Registered = Static<typeof EndpointRegistered.schema>

interface Secrets {
  readonly secret?: string
  readonly secretReference?: string
}

export interface EndpointRow extends Omit<Registered, 'chain'> {
  readonly chain: readonly Principal[]
  readonly isEnabled: boolean
  readonly reason?: Static<typeof EndpointDisabled.schema>['reason']
  readonly registeredAt: string
  /** Position of its registration: what was before is not for it. */
  readonly seq: number
  /** Of rotations whose overlap had not ended when the last one was made; oldest first, PREVIOUS_MAX at most. */
  readonly previous?: readonly PreviousSecret[]
}

export interface PreviousSecret extends Secrets {
  readonly until: string
}

/** Secrets that sign along at a time. */
export const PREVIOUS_MAX = 3

/** Those whose overlap goes on, each to its own end. */
export const overlapping = ({ previous = [] }: Pick<EndpointRow, 'previous'>, nowMs: number) =>
  previous.filter(({ until }) => Date.parse(until) > nowMs)

const OF_ENDPOINTS = [
  EndpointRegistered,
  EndpointUpdated,
  SecretRotated,
  EndpointEnabled,
  EndpointDisabled,
  EndpointRemoved,
] as const

export const endpoints = view<EndpointRow, (typeof OF_ENDPOINTS)[number]>('webhooks.endpoints', 2, {
  from: OF_ENDPOINTS,
  keys: ({ data }) => [data.endpoint],
  fold(row, { type, time, seq, data }) {
    if (type === EndpointRegistered.name)
      return { ...(data as unknown as EndpointRow), isEnabled: true, registeredAt: time, seq }
    if (row === undefined || type === EndpointRemoved.name) return null
    const { reason: _, ...before } = row.value
    switch (type) {
      case EndpointUpdated.name:
        return updated(row.value, data as Static<typeof EndpointUpdated.schema>)
      case SecretRotated.name:
        return rotated(row.value, data as Static<typeof SecretRotated.schema>, time)
      case EndpointEnabled.name:
        return { ...before, isEnabled: true }
      default:
        return {
          ...before,
          isEnabled: false,
          reason: (data as Static<typeof EndpointDisabled.schema>).reason,
        }
    }
  },
})

function updated(row: EndpointRow, data: Static<typeof EndpointUpdated.schema>): EndpointRow {
  const { filter: _f, description: _d, ...rest } = row
  return { ...rest, ...data }
}

function rotated(
  { previous, secret, secretReference, ...rest }: EndpointRow,
  { endpoint: _e, overlapUntil, ...fresh }: Static<typeof SecretRotated.schema>,
  time: string,
): EndpointRow {
  const replaced = { ...present({ secret, secretReference }), until: overlapUntil }
  const known = overlapping({ previous: [...(previous ?? []), replaced] }, Date.parse(time))
  // What an older release recorded knew no bound.
  return { ...rest, ...fresh, ...(known.length === 0 ? {} : { previous: known.slice(-PREVIOUS_MAX) }) }
}

/** One row, whose version counts the changes of all endpoints. */
export const ROSTER = 'endpoints'
export const roster = view<{ readonly seq: number }, (typeof OF_ENDPOINTS)[number]>('webhooks.roster', 1, {
  from: OF_ENDPOINTS,
  keys: () => [ROSTER],
  fold: (_, { seq }) => ({ seq }),
})

export type SourceRow = Static<typeof SourceShape>

export const sources = view<SourceRow, typeof SourcePut | typeof SourceRemoved>('webhooks.sources', 1, {
  from: [SourcePut, SourceRemoved],
  keys: ({ data }) => [data.name],
  fold: (_, { type, time, data }) =>
    type === SourceRemoved.name ? null : { ...(data as Static<typeof SourcePut.schema>), putAt: time },
})
