// A principal as part of a row's key: `agent:bot`, and by a digest where its id is too long or cannot be one.

import { hash } from 'node:crypto'
import type { Principal } from './gate/types.ts'
import { isKey } from './store/store.ts'

const READABLE_MAX_CHARS = 200

/** Two principals never share a key: a digest stands behind a kind that has two colons. */
export function principalKey({ kind, id }: Pick<Principal, 'kind' | 'id'>): string {
  const isReadable = id.length <= READABLE_MAX_CHARS && isKey(id) && !id.startsWith(':')
  return isReadable ? `${kind}:${id}` : `${kind}::${hash('sha256', id, 'hex')}`
}
