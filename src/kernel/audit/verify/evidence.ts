// Evidence of decisions: texts kept beside the log under the SHA-256 that the decisions' entries carry.

import { hash } from 'node:crypto'
import { EVIDENCE } from '../../log/layout.ts'
import { pages } from '../../store/pages.ts'
import type { Row, Store } from '../../store/store.ts'
import { failed } from './failure.ts'

/** A snapshot of entities may have a megabyte. */
export const PAGE_EVIDENCE = 64

export interface EvidenceText {
  /** 64 hex digits. */
  readonly sha256: string
  readonly text: string
}

/** Answers how many texts there are. Throws `verify.failed` with reason `evidence`. */
export async function checkEvidence(store: Store, signal?: AbortSignal): Promise<number> {
  let count = 0
  for await (const page of pages(store, EVIDENCE, { limit: PAGE_EVIDENCE, signal }))
    count += page.map(readEvidence).length
  return count
}

/** The text of a row, which must be the one its key names. */
export function readEvidence({ key, value }: Row): EvidenceText {
  const text = textOf(value)
  // One text has one JSON spelling here, so that no byte of the row can change unseen.
  if (text === undefined || `sha256:${hash('sha256', text, 'hex')}` !== key || JSON.stringify(text) !== value)
    throw failed('evidence', 'an evidence row does not hold the text that its key names', {
      table: EVIDENCE,
      key,
    })
  return { sha256: key.slice('sha256:'.length), text }
}

function textOf(value: string): string | undefined {
  try {
    const text: unknown = JSON.parse(value)
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
