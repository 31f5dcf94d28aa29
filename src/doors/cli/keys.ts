// How people read the keys of a log and its retained checkpoints: keys whole where they can be pinned, checkpoints without their notes.

import type { Form } from './render.ts'
import { tableLines } from './table.ts'

interface ShownKey {
  readonly vkey: string
  readonly state: string
  readonly since: string
  readonly until?: string
  readonly reason?: string
}

const KEY_COLUMNS = [
  { title: 'key', isWhole: true },
  { title: 'state', isWhole: true },
  { title: 'since', isOptional: true },
  { title: 'until', isOptional: true },
  { title: 'why', isOptional: true },
] as const

/** An Ed25519 key fits into a line and can be copied from it; one of ML-DSA-44 has 1,800 characters. */
const VKEY_CHARS_MAX = 512

export const nameAndId = (vkey: string): string => vkey.split('+').slice(0, 2).join('+')

export function keyLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly ShownKey[] }
  return tableLines(
    KEY_COLUMNS,
    items.map(({ vkey, state, since, until = '', reason = '' }) => [
      vkey.length > VKEY_CHARS_MAX ? `${nameAndId(vkey)} (whole with --json)` : vkey,
      state,
      since,
      until,
      reason === 'scheduled' ? '' : reason,
    ]),
    width,
  )
}

interface ShownCheckpoint {
  readonly size: number
  readonly at: string
  readonly isTimestamped: boolean
}

const CHECKPOINT_COLUMNS = [
  { title: 'entries', isNumeric: true },
  { title: 'retained' },
  { title: 'stamped' },
] as const

export function checkpointLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly ShownCheckpoint[] }
  if (items.length === 0) return []
  return tableLines(
    CHECKPOINT_COLUMNS,
    items.map(({ size, at, isTimestamped }) => [String(size), at, isTimestamped ? 'yes' : 'no']),
    width,
  )
}
