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
  readonly resource: string
  /** Of the first asking. */
  readonly askedMs: number
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

  add({ type, data, time }: Entry): void {
    const atMs = Date.parse(time)
    if (type === ActionDecided.name) this.#decided(data as Decided, atMs)
    if (type === ActionFinished.name) this.#finished(data as Finished, atMs)
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
    if (this.#open.size < OPEN_MAX) this.#open.set(decision, { resource, askedMs: asked?.askedMs ?? atMs })
  }

  #finished({ decision, action, status }: Finished, atMs: number): void {
    const change = this.#open.get(decision)
    if (change === undefined) return
    this.#open.delete(decision)
    const { resource, askedMs } = change
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
    if (this.#leadMs.length < CASES_MAX) this.#leadMs.push(atMs - askedMs)
    this.#restored(resource, atMs)
    if (this.#succeeded.size < OPEN_MAX) this.#succeeded.set(resource, atMs)
  }

  #rolledBack(resource: string, atMs: number): void {
    const sinceMs = this.#succeeded.get(resource)
    this.#succeeded.delete(resource)
    if (sinceMs !== undefined) this.#broke(resource, sinceMs)
    this.#restored(resource, atMs)
  }

  #broke(resource: string, atMs: number): void {
    this.#failed += 1
    if (!this.#broken.has(resource) && this.#broken.size < OPEN_MAX) this.#broken.set(resource, atMs)
  }

  #restored(resource: string, atMs: number): void {
    const sinceMs = this.#broken.get(resource)
    if (sinceMs === undefined) return
    this.#broken.delete(resource)
    if (this.#restoreMs.length < CASES_MAX) this.#restoreMs.push(atMs - sinceMs)
  }
}

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
