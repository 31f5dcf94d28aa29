// The Wake of one process under the suite of every Wake.

import { systemEnv } from '../../../src/kernel/env.ts'
import { localWake } from '../../../src/kernel/wake/local/local-wake.ts'
import { wakeConformance } from './suite.ts'

wakeConformance('local', async () => {
  const wake = localWake(systemEnv())
  return { here: wake, there: wake, close: () => wake.close() }
})
