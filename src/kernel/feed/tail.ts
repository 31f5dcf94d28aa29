// The end of the log, read once for all feeds: most of them pass over most of what comes.

import type { EntryRange, StoredEntry, StoreReader } from '../store/store.ts'

const KEPT_MAX_ENTRIES = 1024
const KEPT_MAX_BYTES = 4 * 1024 * 1024

/**
 * As the reader, but what was written last is answered from memory. Entries never change; one that was pruned a moment
 * ago may still be answered.
 */
export function withTail(reader: StoreReader): StoreReader {
  const tail = new Tail(reader)
  return { ...reader, entries: (range) => tail.entries(range) }
}

class Tail {
  readonly #reader: StoreReader
  /** Without gaps, in order. */
  #kept: StoredEntry[] = []
  #keptBytes = 0
  /** Where the next entry goes that is kept; undefined until somebody asked. */
  #end: number | undefined
  #extending: Promise<void> | undefined

  constructor(reader: StoreReader) {
    this.#reader = reader
  }

  async entries(range: EntryRange): Promise<readonly StoredEntry[]> {
    const { from, to, type, limit, reverse = false } = range
    if (reverse || from >= to) return this.#reader.entries(range)
    while (this.#extending) await this.#extending
    if (to > (this.#end ?? -1)) await this.#extendTo(from, to)
    const first = this.#kept[0]?.seq ?? this.#end
    if (first === undefined || from < first || to > (this.#end ?? -1)) return this.#reader.entries(range)
    const found: StoredEntry[] = []
    for (let at = from - first; at < to - first && found.length < limit; at++) {
      const entry = this.#kept[at]
      if (entry && (type === undefined || entry.type === type)) found.push(entry)
    }
    return found
  }

  /** Who is far behind reads by himself; whoever is not goes on where the tail ends, or begins a new one. */
  async #extendTo(from: number, to: number): Promise<void> {
    const isBehind = this.#end !== undefined && from < this.#end
    const start = isBehind ? (this.#end ?? from) : from
    if (to - start > KEPT_MAX_ENTRIES) return
    if (start !== this.#end) this.#forget(start)
    this.#extending = this.#read(start, to)
    try {
      await this.#extending
    } finally {
      this.#extending = undefined
    }
  }

  async #read(start: number, to: number): Promise<void> {
    for (const entry of await this.#reader.entries({ from: start, to, limit: to - start })) {
      // Pruned ones are absent: what stands behind a gap begins anew.
      if (entry.seq !== this.#end) this.#forget(entry.seq)
      this.#kept.push(entry)
      this.#keptBytes += entry.bytes.length
      this.#end = entry.seq + 1
    }
    let dropped = 0
    while (this.#kept.length - dropped > KEPT_MAX_ENTRIES || this.#keptBytes > KEPT_MAX_BYTES) {
      this.#keptBytes -= this.#kept[dropped]?.bytes.length ?? 0
      dropped += 1
    }
    if (dropped > 0) this.#kept.splice(0, dropped)
  }

  #forget(end: number): void {
    this.#kept = []
    this.#keptBytes = 0
    this.#end = end
  }
}
