// Counters of the mesh: what happened to events, by the family of their type; telemetry of this hub, lossy and bounded.

import { familyOf } from './admission.ts'
import type { MeshCount } from './faces.ts'

/** Families with a series of their own; publishers choose names, so the rest is counted together. */
const FAMILIES_MAX = 64
const OTHERS = 'other'

export interface Counting {
  count(what: MeshCount['what'], type: string): void
  readonly counts: () => readonly MeshCount[]
  /** All families together. */
  total(what: MeshCount['what']): number
}

export function openCounting(): Counting {
  const families = new Set<string>()
  const series = new Map<
    string,
    { readonly what: MeshCount['what']; readonly family: string; count: number }
  >()
  const familyFor = (type: string): string => {
    const family = familyOf(type)
    if (families.has(family) || families.size < FAMILIES_MAX) {
      families.add(family)
      return family
    }
    return OTHERS
  }
  return {
    count(what, type) {
      const family = familyFor(type)
      const key = `${what} ${family}`
      const known = series.get(key) ?? { what, family, count: 0 }
      known.count += 1
      series.set(key, known)
    },
    counts: () => [...series.values()].map((each) => ({ ...each })),
    total: (what) =>
      [...series.values()].reduce((sum, each) => sum + (each.what === what ? each.count : 0), 0),
  }
}
