// What a handler may do: read views, record facts, run steps, and ask for other actions.

import type { Chain } from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { ViewName } from '../log/view.ts'
import type { ListOptions, ViewRow } from '../log/views.ts'
import type { Fields, Static, TSchema, Type } from '../schema/schema.ts'
import type { RetryPolicy } from '../targets/retry.ts'
import type { WorkingRows } from './working-rows.ts'

export interface Reads {
  get<V>(view: ViewName<V>, key: string): Promise<ViewRow<V> | undefined>
  list<V>(view: ViewName<V>, options: ListOptions): Promise<readonly ViewRow<V>[]>
}

export interface QueryContext extends Reads {
  readonly chain: Chain
  readonly log: Pick<Log, 'vkey' | 'head' | 'read' | 'entry' | 'prove'>
  /** RFC 3339 time of the request. */
  readonly now: string
}

/** What a caller must know of another action: its contract. */
export interface Invocable<F extends Fields, O extends TSchema> {
  readonly name: string
  readonly input: F
  readonly output: O
  /** Names one asking of a run. Without a name, the same action with the same input happens once in a run. */
  readonly as?: string
}

export interface Progress {
  readonly done: number
  readonly total: number
  readonly note: string
}

export interface StepContext {
  /** Aborts when the attempt is too late, the run is cancelled, or the hub closes. */
  readonly signal: AbortSignal
  /** 1 for the first one; counted from where a crash left it. */
  readonly attempt: number
  /** What the attempt before had told with its last heartbeat. */
  readonly heartbeatDetails?: unknown
  /** Facts that are committed together with the step's result, once. */
  record(...drafts: readonly Draft[]): void
  /** The step lives. Details (JSON, at most 4 KiB) reach the next attempt. */
  heartbeat(details?: unknown): void
}

export interface StepOptions<T> {
  /**
   * Computes or reads, and changes nothing: it begins before what came before it is durable, and its own result travels
   * with whatever is recorded next. No effect begins before both are. A crash may take it again, also in a `once`
   * command.
   */
  readonly isPure?: boolean
  /** Absent: the first failure is the step's. `once` commands never repeat. */
  readonly retry?: RetryPolicy
  /** Of one attempt; `step.timeout`. */
  readonly timeoutMs?: number
  /** An attempt that is silent for longer is given up: `step.silent`. */
  readonly heartbeatMs?: number
  /** The attempts pass the breaker, the bulkhead and the retry budget of this target. */
  readonly target?: string
  /**
   * Undoes the step when the run fails or is cancelled later, in reverse order; a step of its own, named `undo/...`. It
   * asks others through `asking`: what the handler of a cancelled run has asks nobody any more.
   */
  readonly undo?: (result: T, step: StepContext, asking: AskingOthers) => unknown
}

/** What a run asks of others, on behalf of its chain. */
export interface AskingOthers {
  /** Another action, through the gate; inside a step it happens once. */
  invoke<F extends Fields, O extends TSchema>(
    definition: Invocable<F, O>,
    input: Static<Type.TObject<F>>,
  ): Promise<Static<O>>
  /** A query, through the gate. Its answer is recorded only inside a step. */
  ask<F extends Fields, O extends TSchema>(
    definition: Invocable<F, O>,
    input: Static<Type.TObject<F>>,
  ): Promise<Static<O>>
}

/** Durable execution: names are unique in a scope, and stay the same when the run goes on after a crash. */
export interface Durable {
  /** The body runs at least once, its result is recorded once. */
  step<T>(name: string, body: (step: StepContext) => T | Promise<T>, options?: StepOptions<T>): Promise<T>
  /** Waits, also across restarts; holds no place among the runs that work. */
  sleep(name: string, how: { readonly forMs: number } | { readonly untilMs: number }): Promise<void>
  /**
   * Waits for a signal of this name, which may have come before. Answers its payload; with `timeoutMs` it throws
   * `run.no-signal` when none came.
   */
  signalled(name: string, options?: { readonly timeoutMs?: number }): Promise<unknown>
  /** Each branch in a scope of its own, all at once; the first failure cancels the others. */
  parallel<B extends Readonly<Record<string, (scope: CommandContext) => unknown>>>(
    name: string,
    branches: B,
  ): Promise<{ readonly [K in keyof B]: Awaited<ReturnType<B[K]>> }>
  /** The body once per item, each in a scope of its own, at most `concurrencyMax` (default 8) at a time; answers in order. */
  forEach<I, T>(
    name: string,
    items: readonly I[],
    body: (scope: CommandContext, item: I, index: number) => Promise<T> | T,
    options?: { readonly concurrencyMax?: number },
  ): Promise<T[]>
}

export interface CommandContext extends Reads, Durable, AskingOthers {
  readonly chain: Chain
  /** Id of the caller's token; absent when there is none. What a command hands out must not outlive it. */
  readonly token?: string
  /** What the caller's token covers; absent: everything. What a command hands out must not cover more. */
  readonly scopes?: readonly string[]
  /** Run or invocation id; entries of this invocation carry it as correlationid. */
  readonly id: string
  readonly now: string
  readonly signal: AbortSignal
  /** Working state of the action's area; only in `atomic` and `working` commands. */
  readonly rows: WorkingRows
  /**
   * Facts of the whole invocation, committed with its outcome. In an atomic command every row that was read
   * or listed is an expectation: if one has changed, the handler runs again. Rows that appear later in a range
   * that was listed are not: what must hold for a range needs a row of its own.
   */
  record(...drafts: readonly Draft[]): void
  /**
   * Destroys the vault keys of a subject with the commit of an atomic command: its private values become
   * tombstones. Answers how many payloads are stored for it now. Throws `hold.active` under a legal hold.
   */
  shred(subject: string): Promise<number>
  /** Called once after the commit, unless the process dies first: wakes who would otherwise find out by looking. */
  onCommitted(listener: () => void): void
  /** Lossy, for people who watch. */
  progress(progress: Progress): void
}
