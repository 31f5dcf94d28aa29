// The Anchor on PostgreSQL: the last published checkpoint, which only the writer of the current epoch can move.

import { asPolityError, PolityError } from '../../errors.ts'
import type { Anchor } from '../../log/anchor.ts'
import { SYNCED } from './lease.ts'
import { quote } from './schema.ts'
import type { Ask } from './session.ts'

/** Notes whose swap may have been lost on the way after it arrived, this one included: a lost one is sent again. */
const ATTEMPTS_MAX = 64

/**
 * Epoch and note are compared in the statement that replaces the note. Throws `anchor.conflict` when another writer
 * took over or moved it, `anchor.unwritable` when the server does not answer: it may have been moved then, and the
 * next swap finds out.
 */
export function openAnchor(ask: Ask, schema: string, epoch: number): Anchor {
  const s = quote(schema)
  let mine: string | null = null
  let attempts: readonly string[] = []
  return {
    async load() {
      const note = await readNote(ask, schema)
      mine = note ?? null
      attempts = []
      return note
    },
    async swap(next) {
      attempts = [...attempts, next].slice(-ATTEMPTS_MAX)
      const swapped = await ask(
        `UPDATE ${s}.anchor SET note = $2
           WHERE epoch = $1 AND (note = ANY($3::text[]) OR (note IS NULL AND $4)) RETURNING ${SYNCED}`,
        [epoch, next, mine === null ? attempts : [mine, ...attempts], mine === null],
      ).catch((error: unknown) => {
        throw unwritable(error)
      })
      if (swapped.length !== 1)
        throw new PolityError(
          'anchor.conflict',
          `another hub has taken over from epoch ${epoch} or moved the anchor of ${schema}: two hubs must never sign one log`,
          { epoch, schema },
        )
      mine = next
      attempts = []
    },
    close() {},
  }
}

/** The last published checkpoint, for any hub; undefined when there never was one. */
export async function readNote(ask: Ask, schema: string): Promise<string | undefined> {
  const [found] = await ask<{ note: string | null }>(`SELECT note FROM ${quote(schema)}.anchor`)
  return found?.note ?? undefined
}

function unwritable(thrown: unknown): PolityError {
  const error = asPolityError(thrown)
  return new PolityError(
    'anchor.unwritable',
    `the anchor cannot be moved: ${error.message}`,
    { reason: error.code },
    error,
  )
}
