// How people read a change of the configuration: which keys, from what to what, and what waits for a start.

import { valueText } from './documents.ts'
import { blockLines, type ListColumn, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'

interface Change {
  readonly key: string
  readonly before?: unknown
  readonly after?: unknown
  readonly reload: string
  readonly origin: string
}

interface ShownOutcome {
  /** Absent: a rehearsal. */
  readonly status?: string
  readonly digest: string
  readonly changes: readonly Change[]
  readonly restart: readonly string[]
  readonly masked: readonly string[]
  readonly reason?: string
}

const settingText = (value: unknown): string => (value === undefined ? 'default' : String(valueText(value)))

const CHANGES: readonly ListColumn<Change>[] = [
  { title: 'key', isWhole: true, cell: ({ key }) => key },
  { title: 'before', isWrapped: true, cell: ({ before }) => settingText(before) },
  { title: 'after', isWrapped: true, cell: ({ after }) => settingText(after) },
  {
    title: 'takes effect',
    isWhole: true,
    cell: ({ reload }) => (reload === 'live' ? 'now' : 'at the next start'),
  },
  { title: 'from', isWrapped: true, cell: ({ origin }) => origin },
]

export const configurationChangeLines: Present = (output, form) => {
  const { status, reason, digest, changes, masked } = output as ShownOutcome
  return [
    ...recordLines(
      present({
        status: status ?? (changes.length === 0 ? 'would change nothing' : 'would change'),
        reason,
        digest,
        'said otherwise elsewhere': masked.length === 0 ? undefined : masked,
      }),
      form.width,
    ),
    ...blockLines(CHANGES, changes, form),
  ]
}
