// What the archive does by itself: copies follow the facts, erasures are completed, alerts become scrolls, scrubs come round.

import { hash } from 'node:crypto'
import type { RetentionMode } from '../../kernel/blobs/blobs.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { asPolityError, type ErrorCode } from '../../kernel/errors.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { SubjectErased } from '../../kernel/system/contract.ts'
import { AlertRaised } from '../../kernel/witness/contract.ts'
import {
  forget,
  preserve,
  RetentionBypassed,
  ScrollLost,
  scrub,
  VersionDeleted,
  VersionHeld,
  VersionReleased,
  VersionRetained,
} from './contract.ts'
import type { Copy } from './copies.ts'
import { placeOf } from './index/search-index.ts'
import { blobNameOf } from './object.ts'
import { scrollOf } from './protection.ts'
import type { Searching } from './searching.ts'

const ALERT_CATEGORY = 'security-alert'

type Host = Pick<ModuleHost, 'follow' | 'invokeAsHub'>

/**
 * Each copy at its own pace: one that does not answer holds up nobody but itself, and does what it missed when
 * it is back.
 */
export function followKeeping(host: Host, copies: readonly Copy[]): void {
  for (const copy of copies)
    host.follow({
      // The place, not the name: another place under the same name begins from the start.
      name: `copy-${hash('sha256', copy.blobs.location(), 'hex').slice(0, 16)}`,
      types: [VersionRetained, RetentionBypassed, VersionHeld, VersionReleased, VersionDeleted].map(
        ({ name }) => name,
      ),
      handle: (entry, signal) => followOne(host, copy, entry, signal),
    })
}

/** What a copy refuses for good would hold up what comes after: a scrub of the scroll finds it, and says so. */
const REFUSALS: readonly ErrorCode[] = ['blob.retained', 'blob.refused', 'blob.corrupt']

async function followOne(host: Host, copy: Copy, entry: Entry, signal: AbortSignal): Promise<void> {
  try {
    await applyFact(copy, entry, signal)
  } catch (error) {
    const { code } = asPolityError(error)
    // A copy that lacks the object gets it from a scrub, with the protection that is right by then.
    if (code === 'not-found') return
    if (!REFUSALS.includes(code)) throw error
    await host.invokeAsHub(scrub, { scroll: String(entry.data.scroll) }, { key: `${copy.name}/${entry.id}` })
  }
}

async function applyFact({ blobs }: Copy, { type, data }: Entry, signal: AbortSignal): Promise<void> {
  const name = blobNameOf(String(data.object))
  const retainUntil = data.retainUntil as string | undefined
  switch (type) {
    case VersionHeld.name:
    case VersionReleased.name:
      return blobs.hold(name, type === VersionHeld.name, signal)
    case VersionDeleted.name:
      return blobs.drop(name, { signal })
    case RetentionBypassed.name: {
      const retention = retainUntil === undefined ? null : ({ mode: 'governance', retainUntil } as const)
      return blobs.retain(name, retention, { isBypass: true, signal })
    }
    default: {
      const mode = data.mode as RetentionMode
      return blobs.retain(name, { mode, retainUntil: retainUntil ?? '' }, { signal })
    }
  }
}

/** Everything of a scroll that its own key does not cover: the runs that stored it. */
export function followErasures(host: Host): void {
  host.follow({
    name: 'erasures',
    types: [SubjectErased.name],
    async handle({ id, data }) {
      const scroll = scrollOf(String(data.subject))
      if (scroll === undefined) return
      // A hold on one run must not hold up the erasure of others; once it is released, `archive.forget` can be asked for.
      const settled: readonly ErrorCode[] = ['not-found', 'input.invalid', 'hold.active']
      await host.invokeAsHub(forget, { scroll }, { key: id }).catch(ignore(settled))
    },
  })
}

/** Under the index's own name: every index that holds text follows for itself. */
export function followRemovals(host: Host, indexId: string, searching: Searching): void {
  host.follow({
    name: `index-${indexId}`,
    types: [SubjectErased.name, VersionDeleted.name],
    // A version that came later stays: the feed may tell of what was long ago.
    async handle({ type, seq, time, data }) {
      if (type === VersionDeleted.name)
        return searching.remove({ scroll: String(data.scroll), version: Number(data.version) })
      const scroll = scrollOf(String(data.subject))
      if (scroll !== undefined) await searching.remove({ scroll, upTo: placeOf(Date.parse(time), seq) })
    },
  })
}

/** One scroll per alert, however often the feed tells of it: its id is the alert's, and it must not exist yet. */
export function followAlerts(host: Host): void {
  host.follow({
    name: 'alerts',
    types: [AlertRaised.name, ScrollLost.name],
    async handle({ id, type, time, source, data }) {
      const kind = type === AlertRaised.name ? String(data.kind) : 'scroll-lost'
      await host
        .invokeAsHub(
          preserve,
          {
            scroll: `alert-${id}`,
            ifVersion: 0,
            title: `Security alert: ${kind}`.slice(0, 512),
            content: { id, type, time, source, data },
            category: ALERT_CATEGORY,
            metadata: { alert: id, kind },
          },
          { key: id },
        )
        .catch(ignore(['archive.stale']))
    },
  })
}

const ignore =
  (codes: readonly ErrorCode[]) =>
  (error: unknown): void => {
    if (!codes.includes(asPolityError(error).code)) throw error
  }
