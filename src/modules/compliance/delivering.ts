// How changes were delivered: lead time, change-failure rate and time to restore, after the definitions of DORA (dora.dev).

import { ActionDecided, ActionFinished } from '../../kernel/catalog/records.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { Delivery } from './contract.ts'

type Decided = Static<typeof ActionDecided.schema>
type Finished = Static<typeof ActionFinished.schema>

/** Decisions that have not come to an end, and resources whose last change failed. */
const OPEN_MAX = 10_000
const CASES_MAX = 100_000

interface OpenChange {
  readonly resource?: string | undefined
  /** Of the first asking; unknown where that lies before the period. */
  readonly askedMs?: number
}

/**
 * A change is a run or command of the named actions. It failed when its outcome is `failed` or unknown, or when it was
 * rolled back: a roll-back of the same resource that succeeds is a failure of the change before it, and restores.
 * Cancelled ones are no deployments. Memory is bounded; a case beyond the bounds is left out of the figures.
 */
export class Deliveries {
  readonly #prefixes: readonly string[]
  readonly #open = new Map<string, OpenChange>()
  /** Resource -> when its failure began. */
  readonly #broken = new Map<string, number>()
  readonly #succeeded = new Map<string, number>()
  readonly #leadMs: number[] = []
  readonly #restoreMs: number[] = []
  #ended = 0
  #failed = 0

  constructor(prefixes: readonly string[]) {
    this.#prefixes = prefixes
  }

  add({ type, data, time, subject }: Entry): void {
    const atMs = Date.parse(time)
    if (type === ActionDecided.name) this.#decided(data as Decided, atMs)
    if (type === ActionFinished.name) this.#finished(data as Finished, subject, atMs)
  }

  delivery(period: Delivery['period']): Delivery {
    return {
      period,
      changes: [...this.#prefixes],
      ended: this.#ended,
      succeeded: this.#ended - this.#failed,
      failed: this.#failed,
      ...(this.#ended === 0 ? {} : { failureRate: Math.round((this.#failed * 1000) / this.#ended) }),
      leadTime: spread(this.#leadMs),
      timeToRestore: spread(this.#restoreMs),
      unrestored: this.#broken.size,
    }
  }

  #decided({ decision, action, resource, effect, approval }: Decided, atMs: number): void {
    if (effect === 'denied' || !isAmong(action, this.#prefixes)) return
    const asked = approval === undefined ? undefined : this.#open.get(approval)
    if (approval !== undefined) this.#open.delete(approval)
    // Of an asking before the period nobody knows here how long it has waited.
    const askedMs = approval === undefined ? atMs : asked?.askedMs
    if (this.#open.size < OPEN_MAX)
      this.#open.set(decision, { resource, ...(askedMs === undefined ? {} : { askedMs }) })
  }

  /** What was decided before the period and ends in it ends in no other one. */
  #finished(finished: Finished, subject: string | undefined, atMs: number): void {
    const { decision, action, status } = finished
    if (!isAmong(action, this.#prefixes)) return
    const { resource, askedMs } = this.#open.get(decision) ?? { resource: resourceOf(finished, subject) }
    this.#open.delete(decision)
    if (status === 'cancelled') return
    if (isRollBack(action)) {
      if (status === 'done') this.#rolledBack(resource, atMs)
      return
    }
    this.#ended += 1
    if (status !== 'done') {
      this.#broke(resource, atMs)
      return
    }
    if (askedMs !== undefined && this.#leadMs.length < CASES_MAX) this.#leadMs.push(atMs - askedMs)
    this.#restored(resource, atMs)
    if (resource !== undefined && this.#succeeded.size < OPEN_MAX) this.#succeeded.set(resource, atMs)
  }

  #rolledBack(resource: string | undefined, atMs: number): void {
    if (resource === undefined) return
    const sinceMs = this.#succeeded.get(resource)
    this.#succeeded.delete(resource)
    if (sinceMs !== undefined) this.#broke(resource, sinceMs)
    this.#restored(resource, atMs)
  }

  #broke(resource: string | undefined, atMs: number): void {
    this.#failed += 1
    if (resource === undefined) return
    if (!this.#broken.has(resource) && this.#broken.size < OPEN_MAX) this.#broken.set(resource, atMs)
  }

  #restored(resource: string | undefined, atMs: number): void {
    if (resource === undefined) return
    const sinceMs = this.#broken.get(resource)
    if (sinceMs === undefined) return
    this.#broken.delete(resource)
    if (this.#restoreMs.length < CASES_MAX) this.#restoreMs.push(atMs - sinceMs)
  }
}

/** As the outcome says it; runs of the first releases do not. */
const resourceOf = ({ resource, run }: Finished, subject: string | undefined): string | undefined =>
  resource ?? (run === undefined ? subject : undefined)

/** `config` covers `config.propose@1`, and so do `config.propose` and the whole name. */
const isAmong = (action: string, prefixes: readonly string[]): boolean =>
  prefixes.some(
    (prefix) => action === prefix || action.startsWith(`${prefix}.`) || action.startsWith(`${prefix}@`),
  )

const isRollBack = (action: string): boolean => /\.roll-back(-[a-z-]+)?@/.test(action)

/** The median and the 90th percentile, nearest rank. */
function spread(values: readonly number[]): Delivery['leadTime'] {
  if (values.length === 0) return { cases: 0 }
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { cases: values.length, medianMs: Math.max(0, at(0.5)), p90Ms: Math.max(0, at(0.9)) }
}
