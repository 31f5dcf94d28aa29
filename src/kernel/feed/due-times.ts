// What is due when: the earliest of many instants, at the cost of a binary heap.

export interface DueTime {
  readonly atMs: number
  readonly seq: number
}

export class DueTimes {
  readonly #heap: DueTime[] = []

  peek(): DueTime | undefined {
    return this.#heap[0]
  }

  add(time: DueTime): void {
    const heap = this.#heap
    let at = heap.push(time) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(time, heap[parent])) break
      heap[at] = heap[parent] as DueTime
      at = parent
    }
    heap[at] = time
  }

  shift(): DueTime | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (isBefore(heap[child + 1], heap[child])) child += 1
      if (!isBefore(heap[child], last)) break
      heap[at] = heap[child] as DueTime
      at = child
    }
    heap[at] = last
    return first
  }
}

/** Of one instant, the older item comes first. */
const isBefore = (a: DueTime | undefined, b: DueTime | undefined): boolean =>
  a !== undefined && b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq))
