// A compact set of (source, id) pairs: millions of them in tens of megabytes.

import { hash } from 'node:crypto'

const WORDS = 4
const FIRST_SLOTS = 1 << 12
/** Beyond this share of used slots, probes get long. */
const LOAD_MAX = 0.7

/**
 * Open addressing over the first 127 bits of SHA-256(length of id, id, source): two pairs that share
 * them would be a collision nobody can find. 1,000,000 pairs take 32 MiB.
 */
export class IdentitySet {
  #slots = new Uint32Array(FIRST_SLOTS * WORDS)
  #count = 0

  get count(): number {
    return this.#count
  }

  get sizeBytes(): number {
    return this.#slots.byteLength
  }

  /** False when the pair was added before. */
  add(source: string, id: string): boolean {
    if (this.#count >= (this.#slots.length / WORDS) * LOAD_MAX) this.#grow()
    const digest = hash('sha256', `${id.length} ${id}${source}`, 'buffer')
    // The lowest bit is given up: a first word of zero marks a free slot.
    const isNew = insert(
      this.#slots,
      (digest.readUInt32LE(0) | 1) >>> 0,
      digest.readUInt32LE(4),
      digest.readUInt32LE(8),
      digest.readUInt32LE(12),
    )
    if (isNew) this.#count += 1
    return isNew
  }

  #grow(): void {
    const old = this.#slots
    const slots = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += WORDS) {
      const [a = 0, b = 0, c = 0, d = 0] = [old[at], old[at + 1], old[at + 2], old[at + 3]]
      if (a !== 0) insert(slots, a, b, c, d)
    }
    this.#slots = slots
  }
}

function insert(slots: Uint32Array, a: number, b: number, c: number, d: number): boolean {
  const mask = slots.length / WORDS - 1
  for (let slot = b & mask; ; slot = (slot + 1) & mask) {
    const at = slot * WORDS
    if (slots[at] === 0) {
      slots[at] = a
      slots[at + 1] = b
      slots[at + 2] = c
      slots[at + 3] = d
      return true
    }
    if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c && slots[at + 3] === d) return false
  }
}
