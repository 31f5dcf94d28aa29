// Who may see an entry: its publisher, whoever reads the whole log, and those whom one of its labels names.

import type { Chain, Principal } from '../gate/types.ts'
import type { Entry } from './entry.ts'

/** The label of everybody who is signed in. */
export const PUBLIC_LABEL = 'public'
/** Labels of one entry. */
export const AUDIENCE_MAX = 16
/** The roles to which the log is open as a whole, as the starter rules have it (`log.read`). */
const AUDITOR = 'auditor'
const READER_ROLES: readonly string[] = ['owner', AUDITOR]

/** `component:billing`: the label that names one principal. */
export const labelOf = ({ kind, id }: Pick<Principal, 'kind' | 'id'>): string => `${kind}:${id}`

/** The attribute `audience` of an entry; undefined for none, which means the owner only. */
export const audienceOf = (labels: Iterable<string>): string | undefined => {
  const text = [...new Set(labels)].sort().join(',')
  return text === '' ? undefined : text
}

export const labelsOf = ({ audience }: Pick<Entry, 'audience'>): readonly string[] =>
  audience === undefined ? [] : audience.split(',')

/** Whether the whole log is open to every link of the chain: owners, auditors and the hub itself. */
export const mayReadAll = (chain: Chain): boolean => chain.length > 0 && chain.every(isReader)

const isReader = ({ kind, roles }: Principal): boolean =>
  kind === 'hub' || roles.some((role) => READER_ROLES.includes(role))

/**
 * Whether a chain may see an entry. Every link must: who acts for somebody sees no
 * more than that somebody. A label is `kind:id`, a role, or `public`; an entry without labels is the owner's.
 */
export function mayRead(chain: Chain, entry: Pick<Entry, 'actor' | 'audience'>): boolean {
  if (chain.length === 0) return false
  if (entry.actor !== undefined && entry.actor === chain.map(labelOf).join(' > ')) return true
  const labels = new Set(labelsOf(entry))
  return chain.every((link) => isReader(link) || isNamed(link, labels))
}

// Roles hold no colon and `public` is not one of them, so that no role can pass for a principal or for everybody.
const isNamed = (link: Principal, labels: ReadonlySet<string>): boolean =>
  labels.has(PUBLIC_LABEL) ||
  labels.has(labelOf(link)) ||
  link.roles.some((role) => role !== PUBLIC_LABEL && !role.includes(':') && labels.has(role))

/**
 * Whether the private fields of an entry may be opened for a chain. An auditor sees what was recorded in public form
 * only, whatever labels say.
 */
export function mayOpen(chain: Chain, entry: Pick<Entry, 'actor' | 'audience'>): boolean {
  const opening = chain.map((link) => ({ ...link, roles: link.roles.filter((role) => role !== AUDITOR) }))
  return mayRead(opening, entry)
}
