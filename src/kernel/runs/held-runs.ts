// The runs that this hub has, from their decision to their end, and who hears of the end.

import { asPolityError, type PolityError } from '../errors.ts'
import type { FinishedRun } from './endings.ts'
import type { Life } from './life.ts'
import type { RunRow } from './run.ts'
import { openRunShares } from './run-shares.ts'

/** A run that this hub has, once its decision is durable. */
export interface Held {
  readonly id: string
  readonly ended: PromiseWithResolvers<FinishedRun>
  readonly isResumed: boolean
  /** Something was asked of it before it began. */
  readonly isAsked: boolean
  /** Aborted when the run has to leave the line: it was cancelled, or its time is over. */
  readonly hurry: AbortController
  life?: Life
  /** While it is paused before it has begun. */
  wake?: () => void
}

export interface HeldRunsPorts {
  readonly closing: AbortSignal
  readonly onFailure: (error: PolityError) => void
}

export class HeldRuns {
  readonly #ports: HeldRunsPorts
  readonly #held = new Map<string, Held>()
  /** Until they are held or abandoned; whether something was asked of them. */
  readonly #drafted = new Map<string, boolean>()
  readonly #shares = openRunShares()
  /** Whoever waits for the end of a run that another hub has. */
  readonly #looking = new Set<() => void>()

  constructor(ports: HeldRunsPorts) {
    this.#ports = ports
  }

  /** Drafted ones among them. */
  get count(): number {
    return this.#held.size + this.#drafted.size
  }

  get(id: string): Held | undefined {
    return this.#held.get(id)
  }

  ids(): readonly string[] {
    return [...this.#held.keys()]
  }

  isDrafted(id: string): boolean {
    return this.#drafted.has(id)
  }

  /** Keeps room for it. Throws `run.limit`. */
  draft(row: RunRow): void {
    this.#shares.take(row)
    this.#drafted.set(row.id, false)
  }

  /** Something is asked of a drafted run. */
  ask(id: string): void {
    this.#drafted.set(id, true)
  }

  abandon(id: string): void {
    this.#drafted.delete(id)
    this.#shares.leave(id)
  }

  /** A drafted run, now that its decision is durable. */
  start(id: string): Held {
    const isAsked = this.#drafted.get(id) === true
    this.#drafted.delete(id)
    return this.#hold(id, { isAsked, isResumed: false })
  }

  /** A run that somebody has begun before. */
  resume(row: RunRow): Held {
    this.#shares.resume(row)
    return this.#hold(row.id, { isAsked: false, isResumed: true })
  }

  #hold(id: string, how: Pick<Held, 'isAsked' | 'isResumed'>): Held {
    const each: Held = { id, ...how, ended: Promise.withResolvers(), hurry: new AbortController() }
    this.#held.set(id, each)
    const { closing, onFailure } = this.#ports
    // Whoever waits hears of it too; when nobody does, a person must.
    each.ended.promise.catch((error: unknown) => {
      if (!closing.aborted) onFailure(asPolityError(error))
    })
    return each
  }

  release(each: Held, end: FinishedRun): void {
    this.#leave(each)
    each.ended.resolve(end)
    this.lookAll()
  }

  /** It has come to no end here: nobody carries it out any more. */
  giveUp(each: Held, error: unknown): void {
    this.#leave(each)
    each.ended.reject(error)
    this.lookAll()
  }

  #leave({ id }: Held): void {
    this.#held.delete(id)
    this.#shares.leave(id)
  }

  /** Resolves when there may be news of runs that other hubs have, or with `atLatest`. */
  async nextLook(atLatest: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#looking.add(resolve)
    try {
      await Promise.race([promise, atLatest])
    } finally {
      this.#looking.delete(resolve)
      atLatest.catch(() => undefined)
    }
  }

  lookAll(): void {
    for (const look of [...this.#looking]) look()
  }

  /** Resolves when every run that it has now has ended or was given up. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#held.values()].map(({ ended }) => ended.promise))
  }
}
