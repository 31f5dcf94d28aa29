// What follows from the facts of the mesh: declared types, subscriptions, routes in force, requests.

import type { Entry, PublicData } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  MessageSent,
  ReplySent,
  RoutesActivated,
  SubscriptionClosed,
  SubscriptionOpened,
  SubscriptionPaused,
  TypeDefined,
} from './facts.ts'
import type { SubscriptionShape } from './schemas.ts'

export type TypeRow = PublicData<typeof TypeDefined>
export type SubscriptionRow = Static<typeof SubscriptionShape> & { readonly group: string }

export const typeKey = (type: string, major: number): string => `${type}@${String(major).padStart(4, '0')}`

/** `type@major` -> what it must look like. */
export const types = view<TypeRow, typeof TypeDefined>('mesh.types', 1, {
  from: [TypeDefined],
  keys: ({ data }) => [typeKey(data.type, data.major)],
  fold: (_, { data }) => data,
})

/** Names hold no slash, so that what stands before the last one is the owner. */
export const subscriptionKey = (owner: string, name: string): string => `${owner}/${name}`

export const subscriptions = view<
  SubscriptionRow,
  typeof SubscriptionOpened | typeof SubscriptionPaused | typeof SubscriptionClosed
>('mesh.subscriptions', 1, {
  from: [SubscriptionOpened, SubscriptionPaused, SubscriptionClosed],
  keys: ({ data }) => [subscriptionKey(data.owner, data.name)],
  fold: (row, { type, data, time }) => {
    switch (type) {
      case SubscriptionClosed.name:
        return null
      case SubscriptionPaused.name:
        return row === undefined
          ? null
          : { ...row.value, isPaused: (data as PublicData<typeof SubscriptionPaused>).isPaused }
      default:
        return {
          ...(data as PublicData<typeof SubscriptionOpened>),
          group: row?.value.group ?? (data as PublicData<typeof SubscriptionOpened>).group,
          createdAt: row?.value.createdAt ?? time,
          isPaused: row?.value.isPaused ?? false,
        }
    }
  },
})

/** What is in force, and what was before it. */
export interface RoutesRow {
  readonly digest?: string
  readonly previous?: string
  readonly activatedAt: string
  readonly yaml?: string
}

export const ROUTES_ACTIVE = 'active'
export const routesKey = (digest: string): string => `text/${digest}`

/**
 * `active` -> the digest in force, `text/<digest>` -> that table. Every publisher reads the first, which is short;
 * the text is read once per digest.
 */
export const routes = view<RoutesRow, typeof RoutesActivated>('mesh.routes', 1, {
  from: [RoutesActivated],
  keys: ({ data }) => [ROUTES_ACTIVE, ...(data.digest === undefined ? [] : [routesKey(data.digest)])],
  fold: (_, { data, time }, key) => {
    const { digest, previous, yaml } = data
    return {
      activatedAt: time,
      ...(digest === undefined ? {} : { digest }),
      ...(previous === undefined ? {} : { previous }),
      ...(key === ROUTES_ACTIVE || yaml === undefined ? {} : { yaml }),
    }
  },
})

/** A request that waits, or what was replied to it. Private fields are references, opened for whoever reads the row. */
export interface RequestRow {
  readonly from: string
  readonly to: string
  readonly deadline: string
  readonly run: string
  readonly reply?: { readonly data?: unknown; readonly error?: unknown }
}

/** Id of the request -> where it stands. */
export const requests = view<RequestRow, typeof MessageSent | typeof ReplySent>('mesh.requests', 1, {
  from: [MessageSent, ReplySent],
  keys: ({ type, data }) =>
    type === ReplySent.name
      ? [(data as PublicData<typeof ReplySent>).request]
      : requestOf(data as PublicData<typeof MessageSent>),
  fold: (row, entry) =>
    entry.type === ReplySent.name
      ? replied(row?.value, entry)
      : asked(entry as Entry<PublicData<typeof MessageSent>>),
})

const requestOf = ({ id, run }: PublicData<typeof MessageSent>): string[] => (run === undefined ? [] : [id])

const asked = ({ data, time }: Entry<PublicData<typeof MessageSent>>): RequestRow => ({
  from: data.source,
  to: data.to,
  deadline: data.expiresAt ?? time,
  run: data.run ?? '',
})

function replied(row: RequestRow | undefined, entry: Pick<Entry, 'data'>): RequestRow | null {
  if (row === undefined) return null
  const { data, error } = entry.data as PublicData<typeof ReplySent>
  const reply = { ...(data === undefined ? {} : { data }), ...(error === undefined ? {} : { error }) }
  return { ...row, reply }
}
