// The thread that inspects a database file while the main thread derives the log.

import { parentPort, workerData } from 'node:worker_threads'
import { errorToWire } from '../../errors.ts'
import { type InspectionAnswer, inspectionError, inspectNow } from './database.ts'

function inspect(path: string): InspectionAnswer {
  try {
    inspectNow(path)
    return {}
  } catch (error) {
    return { error: errorToWire(inspectionError(error)) }
  }
}

parentPort?.postMessage(inspect(workerData as string))
