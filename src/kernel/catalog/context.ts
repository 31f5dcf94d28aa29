// What a handler may do: read views, record facts, run steps, and ask for other actions.

import type { Chain } from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { ViewName } from '../log/view.ts'
import type { ListOptions, ViewRow } from '../log/views.ts'
import type { Fields, Static, TSchema, Type } from '../schema/schema.ts'

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
}

export interface Progress {
  readonly done: number
  readonly total: number
  readonly note: string
}

export interface StepContext {
  readonly signal: AbortSignal
  /** Facts that are committed together with the step's result, once. */
  record(...drafts: readonly Draft[]): void
}

export interface CommandContext extends Reads {
  readonly chain: Chain
  /** Id of the caller's token; absent when there is none. What a command hands out must not outlive it. */
  readonly token?: string
  /** What the caller's token covers; absent: everything. What a command hands out must not cover more. */
  readonly scopes?: readonly string[]
  /** Run or invocation id; entries of this invocation carry it as correlationid. */
  readonly id: string
  readonly now: string
  readonly signal: AbortSignal
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
  step<T>(name: string, body: (step: StepContext) => T | Promise<T>): Promise<T>
  /** Another action, on behalf of the same chain, through the gate; inside a step it happens once. */
  invoke<F extends Fields, O extends TSchema>(
    definition: Invocable<F, O>,
    input: Static<Type.TObject<F>>,
  ): Promise<Static<O>>
  /** Lossy, for people who watch. */
  progress(progress: Progress): void
}
