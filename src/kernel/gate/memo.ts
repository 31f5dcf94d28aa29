// Answers that were worked out before: bounded, the least recently used go first.

export class Memo<T> {
  readonly #max: number
  readonly #known = new Map<string, T>()

  constructor(max: number) {
    this.#max = max
  }

  get(key: string): T | undefined {
    const value = this.#known.get(key)
    if (value === undefined) return undefined
    this.#known.delete(key)
    this.#known.set(key, value)
    return value
  }

  set(key: string, value: T): void {
    this.#known.delete(key)
    this.#known.set(key, value)
    if (this.#known.size <= this.#max) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}
