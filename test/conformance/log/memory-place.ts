// A place in memory for a log, which outlives whoever writes it.

import { memoryAnchor } from '../../../src/kernel/log/anchor.ts'
import { emptyMemoryData, memoryStore } from '../../../src/kernel/store/memory/memory-store.ts'
import type { LogPlace } from './place.ts'

export function memoryPlace(data = emptyMemoryData()): LogPlace {
  const anchor: { note?: string } = {}
  return {
    boot: async () => ({ store: memoryStore(data), anchor: memoryAnchor(anchor) }),
    reader: async () => memoryStore(data),
    anchored: async () => anchor.note,
    close: async () => undefined,
  }
}
