// The thread in which one repository after another is analysed, so that no event loop of the hub waits for it.

import { parentPort } from 'node:worker_threads'
import { asPolityError, type ErrorWire, errorToWire } from '../../kernel/errors.ts'
import { analyzeRepository, type Stage } from './analysis.ts'
import type { Analysis } from './document.ts'

/** From the pool. One job at a time; `abort` is for the job under way. */
export type ToWorker =
  | {
      readonly kind: 'analyze'
      readonly job: number
      readonly path: string
      readonly asOf: string | null
      readonly cacheDir: string
      readonly timeoutMs: number
    }
  | { readonly kind: 'abort'; readonly job: number }

/** To the pool. `process` names every git process, so that the pool can end what a dead thread left. */
export type FromWorker =
  | {
      readonly kind: 'progress'
      readonly job: number
      readonly stage: Stage
      readonly done: number
      readonly total: number
    }
  | { readonly kind: 'notice'; readonly job: number; readonly notice: string }
  | { readonly kind: 'process'; readonly pid: number; readonly isAlive: boolean }
  | { readonly kind: 'done'; readonly job: number; readonly analysis: Analysis }
  | { readonly kind: 'failed'; readonly job: number; readonly error: ErrorWire }

/** Progress is shown to people: more often than this is noise on the port. */
const PROGRESS_STEP = 500

const port = parentPort
if (!port) throw new Error('this file runs as a worker thread')
const say = (message: FromWorker) => port.postMessage(message)
let underWay: { readonly job: number; readonly ending: AbortController } | null = null

port.on('message', (message: ToWorker) => {
  if (message.kind === 'analyze') void work(message)
  else if (underWay?.job === message.job) underWay.ending.abort()
})

async function work({
  job,
  path,
  asOf,
  cacheDir,
  timeoutMs,
}: Extract<ToWorker, { kind: 'analyze' }>): Promise<void> {
  const ending = new AbortController()
  underWay = { job, ending }
  let told = 0
  try {
    const analysis = await analyzeRepository(path, {
      ...(asOf === null ? {} : { asOf }),
      cacheDir,
      timeoutMs,
      signal: ending.signal,
      onNotice: (notice) => say({ kind: 'notice', job, notice }),
      onProcess: (pid, isAlive) => say({ kind: 'process', pid, isAlive }),
      onProgress: (stage, done, total) => {
        if (done !== total && Math.abs(done - told) < PROGRESS_STEP) return
        told = done
        say({ kind: 'progress', job, stage, done, total })
      },
    })
    say({ kind: 'done', job, analysis })
  } catch (error) {
    say({ kind: 'failed', job, error: errorToWire(asPolityError(error)) })
  } finally {
    underWay = null
  }
}
