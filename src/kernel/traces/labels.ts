// Labels: what a deed leaves behind for the rules about what follows it.

import type { Fact } from '../gate/types.ts'

/** How sensitive what was read is; what is public leaves nothing behind. */
const READ: readonly string[] = ['internal', 'personal', 'secret']
/** The kinds of things that change (gate/conduct.ts). One that is none of them is `other`, so that labels are bounded. */
const CHANGED: readonly string[] = [
  'code',
  'configuration',
  'credentials',
  'data',
  'log',
  'model',
  'money',
  'network',
  'own-code',
  'policy',
  'privileges',
  'service',
]

export const LABELS_MAX = READ.length + CHANGED.length + 2

/** Sorted; empty for a deed of which nothing need be remembered. */
export function labelsOf(conduct: Readonly<Record<string, Fact>>): string[] {
  const { data, changes, isExternal } = conduct
  const kinds = listOf(changes).map((kind) => (CHANGED.includes(kind) ? kind : 'other'))
  const labels = [
    ...listOf(data)
      .filter((kind) => READ.includes(kind))
      .map((kind) => `read:${kind}`),
    ...kinds.map((kind) => `changed:${kind}`),
    ...(isExternal === true ? ['sent:outside'] : []),
  ]
  return [...new Set(labels)].sort()
}

const listOf = (fact: Fact | undefined): readonly string[] => (Array.isArray(fact) ? fact : [])
