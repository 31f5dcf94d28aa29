// A first-in-first-out list whose both ends cost nothing, however long it is.

/** Consumed places are given back once there are so many, and half of all are. */
const SPARE_MAX = 64

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#first]
  }

  shift(): T | undefined {
    const item = this.#items[this.#first]
    if (this.#first < this.#items.length) this.#items[this.#first++] = undefined
    if (this.#first > SPARE_MAX && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }
}
