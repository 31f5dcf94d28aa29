// The memory Store under the suite of every Store.

import { emptyMemoryData, memoryStore } from '../../../src/kernel/store/memory/memory-store.ts'
import { storeConformance } from './suite.ts'

storeConformance('memory', async () => {
  const data = emptyMemoryData()
  const writer = memoryStore(data)
  await writer.migrate()
  return { writer, reader: memoryStore(data), close: () => writer.close() }
})
