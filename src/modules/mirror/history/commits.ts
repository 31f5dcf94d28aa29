// Commit facts in columns: what the formulas need of a history, small enough for hundreds of thousands of commits.

/** How much is known of the commits of a scan; each word includes the ones after it. */
export type Detail = 'lines' | 'changes' | 'commits'

/** Kinds of change. A rename is one row RENAMED at the new path and one row MOVED, which no count looks at. */
export const ADDED = 0
export const MODIFIED = 1
export const DELETED = 2
export const RENAMED = 3
export const MOVED = 4

/**
 * Row `c` of the commit columns owns rows `changeStart[c]` to `changeStart[c + 1]` of the change columns, and
 * likewise parents. Text is bytes as latin1. Rows are in no meaningful order; analyses sort by (time, id).
 */
export interface Commits {
  readonly count: number
  /** Object ids, lower-case hex. */
  readonly ids: readonly string[]
  readonly parentStart: Int32Array
  /** Object ids of parents. */
  readonly parents: readonly string[]
  /** Index into `identities`. */
  readonly author: Int32Array
  /** Seconds since the epoch, clamped to what a date can show. */
  readonly committedAtS: Float64Array
  /** 1 when the commit's line counts are known. */
  readonly hasLines: Uint8Array
  readonly changeStart: Int32Array
  /** Index into `paths`. */
  readonly path: Int32Array
  /** Earlier path of an exact rename, else -1. */
  readonly from: Int32Array
  /** ADDED, MODIFIED, DELETED, RENAMED or MOVED. */
  readonly kind: Uint8Array
  /** Lines added and deleted; -1 when unknown or binary. */
  readonly added: Int32Array
  readonly deleted: Int32Array
  readonly paths: readonly string[]
  /** `name NUL email`, as committed, before the mailmap. */
  readonly identities: readonly string[]
}

/** Grows by doubling; one per column. */
class Column<A extends Int32Array | Float64Array | Uint8Array> {
  values: A
  length = 0
  private readonly make: (size: number) => A

  constructor(make: (size: number) => A, initial?: A) {
    this.make = make
    this.values = make(Math.max(1_024, (initial?.length ?? 0) * 2))
    if (initial) {
      this.values.set(initial)
      this.length = initial.length
    }
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = this.make(this.length * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.length] = value
    this.length += 1
  }

  get(at: number): number {
    return this.values[at] ?? 0
  }

  set(at: number, value: number): void {
    this.values[at] = value
  }

  done(): A {
    return this.values.slice(0, this.length) as A
  }
}

const int32 = (size: number) => new Int32Array(size)
const float64 = (size: number) => new Float64Array(size)
const uint8 = (size: number) => new Uint8Array(size)

/** Collects commits, beginning from those already known. */
export class CommitsBuilder {
  private readonly ids: string[]
  private readonly parents: string[]
  private readonly parentStart: Column<Int32Array>
  private readonly author: Column<Int32Array>
  private readonly committedAtS: Column<Float64Array>
  private readonly hasLines: Column<Uint8Array>
  private readonly changeStart: Column<Int32Array>
  private readonly path: Column<Int32Array>
  private readonly from: Column<Int32Array>
  private readonly kind: Column<Uint8Array>
  private readonly added: Column<Int32Array>
  private readonly deleted: Column<Int32Array>
  private readonly paths: Interner
  private readonly identities: Interner

  constructor(known?: Commits) {
    this.ids = [...(known?.ids ?? [])]
    this.parents = [...(known?.parents ?? [])]
    this.parentStart = new Column(int32, known?.parentStart.subarray(0, known.count))
    this.author = new Column(int32, known?.author)
    this.committedAtS = new Column(float64, known?.committedAtS)
    this.hasLines = new Column(uint8, known?.hasLines)
    this.changeStart = new Column(int32, known?.changeStart.subarray(0, known.count))
    this.path = new Column(int32, known?.path)
    this.from = new Column(int32, known?.from)
    this.kind = new Column(uint8, known?.kind)
    this.added = new Column(int32, known?.added)
    this.deleted = new Column(int32, known?.deleted)
    this.paths = new Interner(known?.paths)
    this.identities = new Interner(known?.identities)
  }

  get commitCount(): number {
    return this.ids.length
  }

  idsFrom(row: number): string[] {
    return this.ids.slice(row)
  }

  get changeCount(): number {
    return this.path.length
  }

  get pathCount(): number {
    return this.paths.size
  }

  get authorCount(): number {
    return this.identities.size
  }

  beginCommit(
    id: string,
    parents: readonly string[],
    identity: string,
    committedAtS: number,
    hasLines: boolean,
  ): void {
    this.ids.push(id)
    this.parentStart.push(this.parents.length)
    for (const parent of parents) this.parents.push(parent)
    this.author.push(this.identities.at(identity))
    this.committedAtS.push(committedAtS)
    this.hasLines.push(hasLines ? 1 : 0)
    this.changeStart.push(this.path.length)
  }

  addChange(path: string, kind: number): number {
    this.path.push(this.paths.at(path))
    this.from.push(-1)
    this.kind.push(kind)
    this.added.push(-1)
    this.deleted.push(-1)
    return this.path.length - 1
  }

  pathOf(change: number): string {
    return this.paths.text(this.path.get(change))
  }

  setLines(change: number, added: number, deleted: number): void {
    this.added.set(change, added)
    this.deleted.set(change, deleted)
  }

  /** Makes an addition and a deletion of the same content one rename. */
  setRename(added: number, deleted: number): void {
    this.kind.set(added, RENAMED)
    this.kind.set(deleted, MOVED)
    this.from.set(added, this.path.get(deleted))
    this.setLines(added, 0, 0)
    this.setLines(deleted, 0, 0)
  }

  /** Takes the commit begun last back, with its changes. */
  dropCommit(): void {
    const start = this.changeStart.get(this.ids.length - 1)
    this.ids.pop()
    this.parents.length = this.parentStart.get(this.parentStart.length - 1)
    for (const column of [
      this.parentStart,
      this.author,
      this.committedAtS,
      this.hasLines,
      this.changeStart,
    ]) {
      column.length -= 1
    }
    for (const column of [this.path, this.from, this.kind, this.added, this.deleted]) column.length = start
  }

  done(): Commits {
    this.parentStart.push(this.parents.length)
    this.changeStart.push(this.path.length)
    return {
      count: this.ids.length,
      ids: this.ids,
      parents: this.parents,
      parentStart: this.parentStart.done(),
      author: this.author.done(),
      committedAtS: this.committedAtS.done(),
      hasLines: this.hasLines.done(),
      changeStart: this.changeStart.done(),
      path: this.path.done(),
      from: this.from.done(),
      kind: this.kind.done(),
      added: this.added.done(),
      deleted: this.deleted.done(),
      paths: this.paths.texts,
      identities: this.identities.texts,
    }
  }
}

/** Numbers texts in the order in which they are first seen. */
class Interner {
  readonly texts: string[]
  private readonly numbers = new Map<string, number>()

  constructor(known: readonly string[] = []) {
    this.texts = [...known]
    known.forEach((text, at) => {
      this.numbers.set(text, at)
    })
  }

  get size(): number {
    return this.texts.length
  }

  at(text: string): number {
    const known = this.numbers.get(text)
    if (known !== undefined) return known
    this.numbers.set(text, this.texts.length)
    return this.texts.push(text) - 1
  }

  text(at: number): string {
    return this.texts[at] ?? ''
  }
}
