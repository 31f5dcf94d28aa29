// What retention and legal hold allow: the rules of S3 Object Lock, for the adapters that must keep them themselves.

import { PolityError } from '../errors.ts'
import type { PutOptions, Retention } from './blobs.ts'

/** What keeps one blob from being deleted. */
export interface Protection {
  readonly retention?: Retention
  readonly isHeld: boolean
}

export const UNPROTECTED: Protection = { isHeld: false }

/** The retention that is still running. */
const running = ({ retention }: Protection, nowMs: number): Retention | undefined =>
  retention !== undefined && Date.parse(retention.retainUntil) > nowMs ? retention : undefined

/** What `put` asks for. */
export const wantedBy = ({ mode, retainUntil, hold = false }: PutOptions): Protection => ({
  ...(mode === undefined || retainUntil === undefined ? {} : { retention: { mode, retainUntil } }),
  isHeld: hold,
})

/** Both together: of two retentions the one that keeps longer, in the stricter mode of the two. */
export function joined(one: Protection, other: Protection): Protection {
  const retentions = [one.retention, other.retention].filter((each) => each !== undefined)
  const latest = retentions.toSorted((a, b) => Date.parse(b.retainUntil) - Date.parse(a.retainUntil))[0]
  const isCompliance = retentions.some(({ mode }) => mode === 'compliance')
  return {
    ...(latest === undefined
      ? {}
      : { retention: { ...latest, mode: isCompliance ? 'compliance' : 'governance' } }),
    isHeld: one.isHeld || other.isHeld,
  }
}

/** Whether `wanted` would let the blob go earlier, or more easily, than what is running now. */
export function isWeaker(current: Protection, wanted: Retention | null, nowMs: number): boolean {
  const now = running(current, nowMs)
  if (now === undefined) return false
  if (wanted === null || Date.parse(wanted.retainUntil) < Date.parse(now.retainUntil)) return true
  return now.mode === 'compliance' && wanted.mode === 'governance'
}

/** Throws `blob.retained` for a change that the running retention does not allow. */
export function requireChangeable(
  sha256: string,
  current: Protection,
  wanted: Retention | null,
  { isBypass, nowMs }: { readonly isBypass: boolean; readonly nowMs: number },
): void {
  const now = running(current, nowMs)
  if (now === undefined || !isWeaker(current, wanted, nowMs)) return
  if (now.mode === 'governance' && isBypass) return
  throw retained(sha256, `is under ${now.mode} retention until ${now.retainUntil}, which cannot be weakened`)
}

/** The protection with another retention, or none. Throws what `requireChangeable` throws. */
export function changed(
  sha256: string,
  current: Protection,
  wanted: Retention | null,
  options: { readonly isBypass: boolean; readonly nowMs: number },
): Protection {
  requireChangeable(sha256, current, wanted, options)
  const { isHeld } = current
  return wanted === null ? { isHeld } : { isHeld, retention: wanted }
}

/** Throws `blob.retained` while the blob is held or retained. */
export function requireDroppable(
  sha256: string,
  current: Protection,
  { isBypass, nowMs }: { readonly isBypass: boolean; readonly nowMs: number },
): void {
  if (current.isHeld) throw retained(sha256, 'is under legal hold: release it first')
  const now = running(current, nowMs)
  if (now === undefined || (now.mode === 'governance' && isBypass)) return
  throw retained(sha256, `is under ${now.mode} retention until ${now.retainUntil}`)
}

const retained = (sha256: string, why: string): PolityError =>
  new PolityError('blob.retained', `the blob ${sha256} ${why}`, { sha256 })
