// Answers that were worked out before: bounded, the least recently used go first.

export class Memo<T> {
  readonly #max: number
  readonly #weigh: (key: string) => number
  readonly #known = new Map<string, T>()
  #weight = 0

  /** @param weigh how much of `max` an answer takes, by its key; one by default */
  constructor(max: number, weigh: (key: string) => number = () => 1) {
    this.#max = max
    this.#weigh = weigh
  }

  get(key: string): T | undefined {
    const value = this.#known.get(key)
    if (value === undefined) return undefined
    this.#known.delete(key)
    this.#known.set(key, value)
    return value
  }

  set(key: string, value: T): void {
    this.#forget(key)
    this.#known.set(key, value)
    this.#weight += this.#weigh(key)
    for (const oldest of this.#known.keys()) {
      if (this.#weight <= this.#max) return
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    if (this.#known.delete(key)) this.#weight -= this.#weigh(key)
  }
}
