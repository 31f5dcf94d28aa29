// How people read the archive: the id of a scroll whole, because the next command asks for it.

import type { Form } from './render.ts'
import { tableLines } from './table.ts'

interface ShownScroll {
  readonly scroll: string
  readonly title: string
  readonly category: string
  readonly tags: readonly string[]
  readonly latest: number
  readonly preservedAt: string
  readonly isErased: boolean
}

const SCROLL_COLUMNS = [
  { title: 'scroll', isWhole: true },
  { title: 'newest', isNumeric: true },
  { title: 'title' },
  { title: 'preserved', isWhole: true, isOptional: true },
  { title: 'category', isOptional: true },
  { title: 'tags', isOptional: true },
] as const

export function scrollLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly ShownScroll[] }
  if (items.length === 0) return []
  return tableLines(
    SCROLL_COLUMNS,
    items.map(({ scroll, latest, title, preservedAt, category, tags, isErased }) => [
      scroll,
      String(latest),
      isErased ? '(erased)' : title,
      preservedAt,
      category,
      tags.join(', '),
    ]),
    width,
  )
}

interface Found {
  readonly scroll: string
  readonly version: number
  readonly title: string
  readonly category: string
  readonly preservedAt: string
  readonly snippet: string
}

const FOUND_COLUMNS = [
  { title: 'scroll', isWhole: true },
  { title: 'version', isNumeric: true },
  { title: 'title' },
  { title: 'found', isWrapped: true },
  { title: 'preserved', isWhole: true, isOptional: true },
  { title: 'category', isOptional: true },
] as const

export function foundLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly Found[] }
  if (items.length === 0) return []
  return tableLines(
    FOUND_COLUMNS,
    items.map(({ scroll, version, title, snippet, preservedAt, category }) => [
      scroll,
      String(version),
      title,
      snippet.replace(/\s+/g, ' '),
      preservedAt,
      category,
    ]),
    width,
  )
}

export function foundRemarks(page: unknown): string[] {
  const { isBehind } = page as { readonly isBehind?: boolean }
  return isBehind === true ? ['the index is being rebuilt: what is newest may not be found yet'] : []
}

interface ShownVersion {
  readonly version: number
  readonly title: string
  readonly preservedAt: string
  readonly sizeBytes: number
  readonly backupLocations: readonly { readonly copy: string; readonly state: string }[]
  readonly retention?: { readonly mode: string; readonly retainUntil: string }
  readonly isHeld: boolean
  readonly isLost: boolean
}

const VERSION_COLUMNS = [
  { title: 'version', isNumeric: true },
  { title: 'title' },
  { title: 'bytes', isNumeric: true },
  { title: 'copies' },
  { title: 'kept' },
  { title: 'preserved', isWhole: true, isOptional: true },
] as const

export function versionLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly ShownVersion[] }
  if (items.length === 0) return []
  return tableLines(
    VERSION_COLUMNS,
    items.map((each) => [
      String(each.version),
      each.title,
      String(each.sizeBytes),
      copiesOf(each),
      keptBy(each),
      each.preservedAt,
    ]),
    width,
  )
}

function copiesOf({ backupLocations, isLost }: ShownVersion): string {
  const states = backupLocations.map(({ copy, state }) => (state === 'good' ? copy : `${copy} (${state})`))
  return [...(isLost ? ['LOST'] : []), ...states].join(', ')
}

function keptBy({ isHeld, retention }: ShownVersion): string {
  const until = retention === undefined ? [] : [`until ${retention.retainUntil} (${retention.mode})`]
  return [...(isHeld ? ['legal hold'] : []), ...until].join(', ')
}
