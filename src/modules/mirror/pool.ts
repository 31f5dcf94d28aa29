// A bounded number of threads that analyse repositories; one that hangs or breaks fails alone.

import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { asPolityError, errorFromWire, PolityError } from '../../kernel/errors.ts'
import type { Stage } from './analysis.ts'
import { openCache } from './cache.ts'
import type { Analysis } from './document.ts'
import { DEFAULT_TIMEOUT_MS, MAX_POOL_SIZE, MAX_QUEUE, STOP_GRACE_MS, WORKER_HEAP_MB } from './limits.ts'
import type { FromWorker, ToWorker } from './worker.ts'

export interface PoolOptions {
  readonly cacheDir: string
  /** Repositories analysed at the same time; one per processor by default, at most 16. */
  readonly size?: number
  /** For one repository, from the moment its analysis begins. */
  readonly timeoutMs?: number
}

export interface AnalyzeOptions {
  /** RFC 3339 date-time; the time of the head commit by default. */
  readonly asOf?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (stage: Stage, done: number, total: number) => void
  readonly onNotice?: (notice: string) => void
}

export interface Pool {
  /**
   * @throws PolityError as `analyzeRepository` does; `limit` when too many wait or one needs more memory than a
   *   thread has, `cancelled` when the pool closes
   */
  analyze(path: string, options?: AnalyzeOptions): Promise<Analysis>
  /** Ends every thread and every git process; what was under way is `cancelled`. */
  close(): Promise<void>
}

interface Job {
  readonly id: number
  readonly path: string
  readonly options: AnalyzeOptions
  readonly resolve: (analysis: Analysis) => void
  readonly reject: (error: unknown) => void
  readonly onAbort: () => void
}

/** A thread and what the pool knows of it; owned by the pool until `exit`. */
interface Slot {
  readonly worker: Worker
  /** git processes that the thread has started and not seen the end of. */
  readonly processes: Set<number>
  job: Job | null
  /** Ends the thread when it does not answer in time. */
  backstop: NodeJS.Timeout | null
}

export function openPool(options: PoolOptions): Pool {
  return new ThreadPool(options)
}

class ThreadPool implements Pool {
  private readonly cacheDir: string
  private readonly size: number
  private readonly timeoutMs: number
  private readonly slots = new Set<Slot>()
  private readonly queue: Job[] = []
  private cache: Promise<void> | null = null
  private lastId = 0
  private isClosed = false

  constructor({ cacheDir, size = availableParallelism(), timeoutMs = DEFAULT_TIMEOUT_MS }: PoolOptions) {
    this.cacheDir = cacheDir
    this.size = Math.min(MAX_POOL_SIZE, Math.max(1, size))
    this.timeoutMs = timeoutMs
  }

  async analyze(path: string, options: AnalyzeOptions = {}): Promise<Analysis> {
    this.refuse(options.signal)
    this.cache ??= openCache(this.cacheDir)
    await this.cache.catch((error: unknown) => {
      // The next call tries again: the disk may have been mended.
      this.cache = null
      throw asPolityError(error, 'data.unwritable')
    })
    this.refuse(options.signal)
    return new Promise((resolve, reject) => {
      this.lastId += 1
      const job: Job = { id: this.lastId, path, options, resolve, reject, onAbort: () => this.abort(job) }
      options.signal?.addEventListener('abort', job.onAbort, { once: true })
      this.queue.push(job)
      this.startNext()
    })
  }

  private refuse(signal: AbortSignal | undefined): void {
    if (this.isClosed) throw closed()
    if (signal?.aborted) throw cancelled()
    if (this.queue.length < MAX_QUEUE) return
    throw new PolityError('limit', `${MAX_QUEUE} repositories are waiting already`, { limit: MAX_QUEUE })
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const job of this.queue.splice(0)) job.reject(closed())
    await Promise.all([...this.slots].map((slot) => this.end(slot, closed())))
  }

  private startNext(): void {
    if (this.isClosed || this.queue.length === 0) return
    const idle = [...this.slots].find((slot) => slot.job === null)
    const slot = idle ?? (this.slots.size < this.size ? this.openSlot() : null)
    const job = slot && this.queue.shift()
    if (!job) return
    slot.job = job
    slot.worker.ref()
    this.arm(slot, this.timeoutMs + STOP_GRACE_MS, expired(this.timeoutMs))
    const asOf = job.options.asOf ?? null
    this.tell(slot, {
      kind: 'analyze',
      job: job.id,
      path: job.path,
      asOf,
      cacheDir: this.cacheDir,
      timeoutMs: this.timeoutMs,
    })
  }

  private openSlot(): Slot {
    // The emitted package holds JavaScript, the repository TypeScript.
    const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    })
    const slot: Slot = { worker, processes: new Set(), job: null, backstop: null }
    this.slots.add(slot)
    worker.on('message', (message: FromWorker) => this.hear(slot, message))
    worker.on('error', (error: NodeJS.ErrnoException) => void this.end(slot, broken(error)))
    worker.on('exit', () => void this.end(slot, broken(new Error('the thread ended'))))
    return slot
  }

  private tell(slot: Slot, message: ToWorker): void {
    slot.worker.postMessage(message)
  }

  private hear(slot: Slot, message: FromWorker): void {
    if (message.kind === 'process') {
      if (message.isAlive) slot.processes.add(message.pid)
      else slot.processes.delete(message.pid)
      return
    }
    const job = slot.job
    if (job?.id !== message.job) return
    if (message.kind === 'progress') job.options.onProgress?.(message.stage, message.done, message.total)
    else if (message.kind === 'notice') job.options.onNotice?.(message.notice)
    else if (message.kind === 'done') this.settle(slot, () => job.resolve(message.analysis))
    else this.settle(slot, () => job.reject(errorFromWire(message.error)))
  }

  /** The job is over; the thread takes the next one. */
  private settle(slot: Slot, finish: () => void): void {
    if (slot.backstop) clearTimeout(slot.backstop)
    slot.job?.options.signal?.removeEventListener('abort', slot.job.onAbort)
    slot.backstop = null
    slot.job = null
    // An idle thread keeps nobody's process alive.
    slot.worker.unref()
    finish()
    this.startNext()
  }

  private abort(job: Job): void {
    const waiting = this.queue.indexOf(job)
    if (waiting >= 0) {
      this.queue.splice(waiting, 1)
      job.reject(cancelled())
      return
    }
    const slot = [...this.slots].find((candidate) => candidate.job === job)
    if (!slot) return
    this.tell(slot, { kind: 'abort', job: job.id })
    this.arm(slot, STOP_GRACE_MS, cancelled())
  }

  private arm(slot: Slot, afterMs: number, error: PolityError): void {
    if (slot.backstop) clearTimeout(slot.backstop)
    slot.backstop = setTimeout(() => void this.end(slot, error), afterMs)
  }

  /** Ends the thread, what it left running, and its job; another thread takes its place when there is work. */
  private async end(slot: Slot, error: PolityError): Promise<void> {
    if (!this.slots.delete(slot)) return
    if (slot.backstop) clearTimeout(slot.backstop)
    await slot.worker.terminate()
    for (const pid of slot.processes) kill(pid)
    slot.job?.reject(error)
    this.startNext()
  }
}

/** The process may have ended by itself in the meantime. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const cancelled = () => new PolityError('cancelled', 'the analysis was cancelled')
const closed = () => new PolityError('cancelled', 'the analysis was cancelled: the pool is closed')
const expired = (timeoutMs: number) =>
  new PolityError('mirror.timeout', `the analysis took longer than ${timeoutMs} ms`, { timeoutMs })

function broken(error: NodeJS.ErrnoException): PolityError {
  if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') return new PolityError('internal', error.message, {}, error)
  return new PolityError('limit', `the analysis needs more than ${WORKER_HEAP_MB} MB`, {
    limitMB: WORKER_HEAP_MB,
  })
}
