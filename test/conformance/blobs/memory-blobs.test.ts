// The memory adapter under the suite of every Blobs.

import { memoryBlobs, type StoredBlob } from '../../../src/kernel/blobs/memory/memory-blobs.ts'
import { blobsConformance, START_MS } from './suite.ts'

blobsConformance('memory', async () => {
  const stored = new Map<string, StoredBlob>()
  const clock = { nowMs: START_MS }
  const reopen = () => memoryBlobs({ name: 'primary', env: { now: () => clock.nowMs }, stored })
  return {
    blobs: reopen(),
    reopen,
    clock,
    async replace(sha256, bytes) {
      const blob = stored.get(sha256)
      if (blob) stored.set(sha256, { ...blob, bytes })
    },
    async remove(sha256) {
      stored.delete(sha256)
    },
    close: async () => undefined,
  }
})
