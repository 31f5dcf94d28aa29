// Two lanes: urgent subscriptions come first, and normal ones get at least one turn in eight.

import type { Subscriber } from './subscriber.ts'

/** Turns of the urgent lane after which a normal one that waits has its own. */
const URGENT_TURNS_MAX = 7

/** Each subscription is in it once; within a lane, whoever came first goes first. */
export class Lanes {
  readonly #urgent = new Set<Subscriber>()
  readonly #normal = new Set<Subscriber>()
  #urgentTurns = 0

  has(subscriber: Subscriber): boolean {
    return this.#laneOf(subscriber).has(subscriber)
  }

  push(subscriber: Subscriber): void {
    this.#laneOf(subscriber).add(subscriber)
  }

  remove(subscriber: Subscriber): void {
    this.#laneOf(subscriber).delete(subscriber)
  }

  /** Whose turn it is; looking does not use it up. */
  peek(): Subscriber | undefined {
    const [urgent] = this.#urgent
    const [normal] = this.#normal
    if (urgent === undefined || (normal !== undefined && this.#urgentTurns >= URGENT_TURNS_MAX)) return normal
    return urgent
  }

  shift(): Subscriber | undefined {
    const next = this.peek()
    if (next === undefined) return undefined
    this.#urgentTurns = next.isUrgent && this.#normal.size > 0 ? this.#urgentTurns + 1 : 0
    this.remove(next)
    return next
  }

  *all(): Iterable<Subscriber> {
    yield* this.#urgent
    yield* this.#normal
  }

  #laneOf({ isUrgent }: Subscriber): Set<Subscriber> {
    return isUrgent ? this.#urgent : this.#normal
  }
}
