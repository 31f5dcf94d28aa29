// Reads the byte stream of `git log -z --raw --numstat` into commit facts, one pass, no line ever a string.

import { MAX_AUTHORS, MAX_CHANGES, MAX_COMMITS, MAX_PATHS, MAX_TOKEN_BYTES } from '../limits.ts'
import { ADDED, type CommitsBuilder, DELETED, MODIFIED } from './commits.ts'

/** id, parents, committer time, author name, author e-mail; `%x02` cannot begin any other token. */
export const LOG_FORMAT = '--format=tformat:%x02%H%x00%P%x00%ct%x00%an%x00%ae'
const HEADER_FIELDS = 5

/** The last second that an ISO 8601 date with four digits of year can show. */
const LAST_SECOND = 253_402_300_799
const GITLINK = '160000'
/** Content of no bytes says nothing about where a file came from. */
const EMPTY_BLOBS = new Set([
  'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391',
  '473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813',
])

/** Number 2: begins a commit. Number 58 `:`: begins a raw change. Number 10: git puts a newline before the first. */
const COMMIT_MARK = 2
const COLON = 58
const NEWLINE = 10
const TAB = 9

export class LogParser {
  /** Times outside what a date can show, and set to the nearest that it can. */
  clampedTimes = 0
  private readonly into: CommitsBuilder
  private readonly isKnown: (id: string) => boolean
  private readonly withLines: boolean
  private held: Buffer = Buffer.alloc(0)
  private readonly header: string[] = []
  /** Raw change whose path is the next token: 'path' to take it, 'skip' for a gitlink. */
  private expect: 'path' | 'skip' | null = null
  private kind = MODIFIED
  private blob = ''
  private isSkipping = false
  private isOpen = false
  private firstChange = 0
  private nextCounted = 0
  private readonly arrived = new Map<string, number[]>()
  private readonly left: { blob: string; change: number }[] = []

  /** @param isKnown ids that `into` already holds; their output is passed over */
  constructor(into: CommitsBuilder, options: { withLines: boolean; isKnown: (id: string) => boolean }) {
    this.into = into
    this.isKnown = options.isKnown
    this.withLines = options.withLines
  }

  /** Takes the next bytes; false when a bound is reached and no more is wanted. */
  push(chunk: Buffer): boolean {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk])
    let from = 0
    for (let end = bytes.indexOf(0, from); end >= 0; end = bytes.indexOf(0, from)) {
      if (!this.token(bytes, from, end)) return false
      from = end + 1
    }
    this.held = bytes.subarray(from)
    if (this.held.length > MAX_TOKEN_BYTES) throw new RangeError('git log wrote an endless token')
    return true
  }

  /** Ends the stream. A broken stream loses its last commit, which may be half told. */
  end(isBroken: boolean): void {
    if (!this.isOpen) return
    if (isBroken) this.into.dropCommit()
    else this.closeCommit()
    this.isOpen = false
  }

  private token(bytes: Buffer, from: number, end: number): boolean {
    if (this.header.length > 0) return this.headerField(bytes.toString('latin1', from, end))
    if (this.expect !== null) {
      this.rawPath(bytes.toString('latin1', from, end))
      return true
    }
    const start = bytes[from] === NEWLINE ? from + 1 : from
    const first = bytes[start]
    if (first === COMMIT_MARK) {
      this.end(false)
      if (this.isFull()) return false
      this.header.push(bytes.toString('latin1', start + 1, end))
    } else if (first === COLON) {
      if (this.into.changeCount >= MAX_CHANGES) {
        this.end(true)
        return false
      }
      this.rawChange(bytes.toString('latin1', start + 1, end))
    } else if (start < end && !this.isSkipping) {
      this.lineCounts(bytes, start, end)
    }
    return true
  }

  private headerField(text: string): boolean {
    this.header.push(text)
    if (this.header.length < HEADER_FIELDS) return true
    const [id = '', parents = '', time = '', name = '', email = ''] = this.header.splice(0)
    this.isSkipping = this.isKnown(id)
    if (this.isSkipping) return true
    this.into.beginCommit(
      id,
      parents === '' ? [] : parents.split(' '),
      `${name}\0${email}`,
      this.time(time),
      this.withLines,
    )
    this.isOpen = true
    this.firstChange = this.into.changeCount
    this.nextCounted = this.firstChange
    return true
  }

  private time(text: string): number {
    const seconds = Number(text)
    const clamped = Number.isFinite(seconds) ? Math.min(LAST_SECOND, Math.max(0, Math.trunc(seconds))) : 0
    if (clamped !== seconds) this.clampedTimes += 1
    return clamped
  }

  /** `100644 100644 <id> <id> M`: modes, ids and status (git-diff-index(1), RAW OUTPUT FORMAT). */
  private rawChange(text: string): void {
    const oldMode = text.slice(0, 6)
    const newMode = text.slice(7, 13)
    const status = text[text.length - 1]
    this.kind = status === 'A' ? ADDED : status === 'D' ? DELETED : MODIFIED
    this.expect = this.isSkipping || oldMode === GITLINK || newMode === GITLINK ? 'skip' : 'path'
    if (this.kind === MODIFIED || this.expect === 'skip') return
    const ids = text.slice(14, -2)
    const half = (ids.length - 1) / 2
    this.blob = this.kind === ADDED ? ids.slice(half + 1) : ids.slice(0, half)
  }

  private rawPath(path: string): void {
    const wanted = this.expect === 'path'
    this.expect = null
    if (!wanted) return
    const change = this.into.addChange(path, this.kind)
    if (this.kind === MODIFIED || EMPTY_BLOBS.has(this.blob)) return
    if (this.kind === DELETED) {
      this.left.push({ blob: this.blob, change })
      return
    }
    const same = this.arrived.get(this.blob)
    if (same) same.push(change)
    else this.arrived.set(this.blob, [change])
  }

  /** `12\t3\tpath`, `-\t-\tpath` for binary. Comes in the order of the raw changes, some of which it leaves out. */
  private lineCounts(bytes: Buffer, from: number, end: number): void {
    const tab = bytes.indexOf(TAB, from)
    const second = bytes.indexOf(TAB, tab + 1)
    if (tab < 0 || second < 0 || second >= end)
      throw new RangeError('git log wrote a line count without a path')
    const path = bytes.toString('latin1', second + 1, end)
    for (let change = this.nextCounted; change < this.into.changeCount; change += 1) {
      if (this.into.pathOf(change) !== path) continue
      this.into.setLines(change, decimal(bytes, from, tab), decimal(bytes, tab + 1, second))
      this.nextCounted = change + 1
      return
    }
  }

  private closeCommit(): void {
    for (const { blob, change } of this.left) {
      const same = this.arrived.get(blob)
      if (!same || same.length === 0) continue
      const from = this.into.pathOf(change)
      const sameName = same.findIndex((candidate) => baseName(this.into.pathOf(candidate)) === baseName(from))
      const [arrival] = same.splice(Math.max(0, sameName), 1)
      if (arrival !== undefined) this.into.setRename(arrival, change)
    }
    if (this.left.length > 0) this.left.length = 0
    if (this.arrived.size > 0) this.arrived.clear()
  }

  private isFull(): boolean {
    return (
      this.into.commitCount >= MAX_COMMITS ||
      this.into.changeCount >= MAX_CHANGES ||
      this.into.pathCount >= MAX_PATHS ||
      this.into.authorCount >= MAX_AUTHORS
    )
  }
}

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1)

/** -1 for the `-` of binary files. */
function decimal(bytes: Buffer, from: number, end: number): number {
  let value = 0
  for (let at = from; at < end; at += 1) {
    const digit = (bytes[at] ?? 0) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return Math.min(value, 0x7fffffff)
}
