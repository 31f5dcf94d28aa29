// The facts of the archive, and what they fold into: one row per scroll and one per version.

import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import { Integer, Sha256, type Static, Timestamp, Type } from '../../kernel/schema/schema.ts'
import { CopyName, CopyState, Mode, type Retention, Scroll, stored, Version } from './schemas.ts'

const ofVersion = { scroll: Scroll, version: Version }
const ofCopy = { ...ofVersion, object: Sha256, copy: CopyName }

export const VersionPreserved = entryType('archive.version-preserved@1', { ...stored, version: Version })
export const VersionRetained = entryType('archive.version-retained@1', {
  ...ofVersion,
  object: Sha256,
  mode: Mode,
  retainUntil: Timestamp,
})
/** A governance retention was cut short; without `retainUntil` it has ended. */
export const RetentionBypassed = entryType('archive.retention-bypassed@1', {
  ...ofVersion,
  object: Sha256,
  retainUntil: Type.Optional(Timestamp),
})
export const VersionHeld = entryType('archive.version-held@1', { ...ofVersion, object: Sha256 })
export const VersionReleased = entryType('archive.version-released@1', { ...ofVersion, object: Sha256 })
export const VersionDeleted = entryType('archive.version-deleted@1', { ...ofVersion, object: Sha256 })
/** A copy is not what it was stored as: the bytes are other ones or gone, or what was deleted is still there. */
export const CopyDamaged = entryType('archive.copy-damaged@1', { ...ofCopy, problem: CopyState })
export const CopyRepaired = entryType('archive.copy-repaired@1', ofCopy)
/** No copy has the right bytes any more. */
export const ScrollLost = entryType('archive.scroll-lost@1', { ...ofVersion, object: Sha256 })
export const ArchiveScrubbed = entryType('archive.scrubbed@1', {
  versions: Integer,
  damaged: Integer,
  repaired: Integer,
  lost: Integer,
  /** Copies that did not answer, so that nothing is known of what they hold. */
  unreachable: Type.Array(CopyName),
})

type State = Static<typeof CopyState>
type Kept = { readonly retention?: Static<typeof Retention>; readonly isHeld: boolean }

export interface ScrollRow {
  readonly scroll: string
  /** How many there ever were; also the number of the newest one. */
  readonly versions: number
  /** The newest one that is not deleted; 0 when none is left. */
  readonly latest: number
  readonly deleted: readonly number[]
  /** Of the newest version. */
  readonly title: string
  readonly category: string
  readonly tags: readonly string[]
  readonly mediaType: string
  readonly preservedAt: string
  /** What keeps versions, by their numbers: what must hold for all of them stands in one row. */
  readonly kept: Readonly<Record<string, Kept>>
}

export interface VersionRow extends Omit<Static<typeof VersionPreserved.schema>, 'copies' | 'missing'> {
  readonly preservedAt: string
  readonly seq: number
  readonly copies: Readonly<Record<string, State>>
  readonly isLost: boolean
  readonly isDeleted: boolean
}

/** The rows of a scroll's versions start with it. */
export const versionPrefix = (scroll: string): string => `${scroll}/`
export const versionKey = (scroll: string, version: number): string =>
  versionPrefix(scroll) + String(version).padStart(4, '0')

export const scrolls = view<
  ScrollRow,
  | typeof VersionPreserved
  | typeof VersionRetained
  | typeof RetentionBypassed
  | typeof VersionHeld
  | typeof VersionReleased
  | typeof VersionDeleted
>('archive.scrolls', 1, {
  from: [VersionPreserved, VersionRetained, RetentionBypassed, VersionHeld, VersionReleased, VersionDeleted],
  keys: ({ data }) => [data.scroll],
  fold(row, { type, time, data }) {
    const before = row?.value
    const { version } = data
    if (type === VersionPreserved.name) {
      const { scroll, title, category, tags, mediaType, ...rest } = data as Preserved
      const facts = { scroll, title, category, tags, mediaType }
      const kept = { ...before?.kept, ...keptEntry(version, keptOf(rest)) }
      return {
        ...facts,
        versions: version,
        latest: version,
        deleted: before?.deleted ?? [],
        preservedAt: time,
        kept,
      }
    }
    if (before === undefined) return null
    const { [version]: keptNow = { isHeld: false }, ...others } = before.kept
    if (type !== VersionDeleted.name)
      return { ...before, kept: { ...others, ...keptEntry(version, keptAfter(keptNow, type, data)) } }
    const deleted = [...before.deleted, version]
    return { ...before, deleted, latest: newestBut(deleted, before.versions), kept: others }
  },
})

export const versions = view<
  VersionRow,
  | typeof VersionPreserved
  | typeof VersionRetained
  | typeof RetentionBypassed
  | typeof VersionHeld
  | typeof VersionReleased
  | typeof VersionDeleted
  | typeof CopyDamaged
  | typeof CopyRepaired
  | typeof ScrollLost
>('archive.versions', 1, {
  from: [
    VersionPreserved,
    VersionRetained,
    RetentionBypassed,
    VersionHeld,
    VersionReleased,
    VersionDeleted,
    CopyDamaged,
    CopyRepaired,
    ScrollLost,
  ],
  keys: ({ data }) => [versionKey(data.scroll, data.version)],
  fold(row, { type, time, seq, data }) {
    if (type === VersionPreserved.name) return rowOf(data as Preserved, time, seq)
    if (row === undefined) return null
    const { retention, ...before } = row.value
    switch (type) {
      case CopyDamaged.name:
      case CopyRepaired.name:
        return { ...row.value, ...copyAfter(row.value, data as Static<typeof CopyDamaged.schema>) }
      case ScrollLost.name:
        return { ...row.value, isLost: true }
      case VersionDeleted.name:
        return { ...row.value, isDeleted: true }
      default: {
        const kept = { isHeld: before.isHeld, ...(retention === undefined ? {} : { retention }) }
        return { ...before, ...keptAfter(kept, type, data) }
      }
    }
  },
})

type Preserved = Static<typeof VersionPreserved.schema>

function rowOf({ copies, missing, ...data }: Preserved, preservedAt: string, seq: number): VersionRow {
  const states = [...copies.map((name) => [name, 'good']), ...missing.map((name) => [name, 'absent'])]
  return { ...data, preservedAt, seq, copies: Object.fromEntries(states), isLost: false, isDeleted: false }
}

const keptOf = ({ retention, isHeld }: Kept): Kept => ({
  isHeld,
  ...(retention === undefined ? {} : { retention }),
})

/** Versions that nothing keeps take no room. */
const keptEntry = (version: number, kept: Kept): Record<string, Kept> =>
  kept.isHeld || kept.retention !== undefined ? { [version]: kept } : {}

function keptAfter(kept: Kept, type: string, data: object): Kept {
  const { isHeld, retention } = kept
  switch (type) {
    case VersionHeld.name:
      return { ...kept, isHeld: true }
    case VersionReleased.name:
      return { ...kept, isHeld: false }
    case VersionRetained.name: {
      const { mode, retainUntil } = data as Static<typeof VersionRetained.schema>
      return { isHeld, retention: { mode, retainUntil } }
    }
    default: {
      const { retainUntil } = data as Static<typeof RetentionBypassed.schema>
      return retainUntil === undefined || retention === undefined
        ? { isHeld }
        : { isHeld, retention: { ...retention, retainUntil } }
    }
  }
}

function copyAfter(
  { copies, isLost }: VersionRow,
  { copy, problem }: { readonly copy: string; readonly problem?: State },
): Pick<VersionRow, 'copies' | 'isLost'> {
  const state = problem ?? 'good'
  return { copies: { ...copies, [copy]: state }, isLost: isLost && state !== 'good' }
}

function newestBut(deleted: readonly number[], from: number): number {
  let version = from
  while (version > 0 && deleted.includes(version)) version -= 1
  return version
}
