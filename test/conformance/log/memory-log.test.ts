// A log in memory under the suite of every engine.

import { memoryPlace } from './memory-place.ts'
import { logConformance } from './suite.ts'

logConformance('memory', async () => memoryPlace())
