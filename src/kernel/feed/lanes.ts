// Two lanes: urgent subscriptions come first, and normal ones get at least one turn in eight.

/** Turns of the urgent lane after which a normal one that waits has its own. */
const URGENT_TURNS_MAX = 7

/** Each subscription is in it once; within a lane, whoever came first goes first. */
export class Lanes<T extends { readonly isUrgent: boolean }> {
  readonly #urgent = new Set<T>()
  readonly #normal = new Set<T>()
  #urgentTurns = 0

  has(subscriber: T): boolean {
    return this.#laneOf(subscriber).has(subscriber)
  }

  push(subscriber: T): void {
    this.#laneOf(subscriber).add(subscriber)
  }

  remove(subscriber: T): void {
    this.#laneOf(subscriber).delete(subscriber)
  }

  /** Whose turn it is; looking does not use it up. */
  peek(): T | undefined {
    const [urgent] = this.#urgent
    const [normal] = this.#normal
    if (urgent === undefined || (normal !== undefined && this.#urgentTurns >= URGENT_TURNS_MAX)) return normal
    return urgent
  }

  shift(): T | undefined {
    const next = this.peek()
    if (next === undefined) return undefined
    this.#urgentTurns = next.isUrgent && this.#normal.size > 0 ? this.#urgentTurns + 1 : 0
    this.remove(next)
    return next
  }

  *all(): Iterable<T> {
    yield* this.#urgent
    yield* this.#normal
  }

  #laneOf({ isUrgent }: T): Set<T> {
    return isUrgent ? this.#urgent : this.#normal
  }
}
