// The Anchor port: the last checkpoint we ever published, kept apart from DATA, so that an old copy of DATA cannot fork the log.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { closeSync, existsSync, fdatasync, fstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { Awaitable } from '../env.ts'
import { PolityError } from '../errors.ts'
import { syncFolder, writeFully } from './files.ts'

export interface Anchor {
  /** The last checkpoint (a signed note), or undefined when there never was one. */
  load(): Awaitable<string | undefined>
  /** Replaces exactly the checkpoint that `load` or `swap` last gave us; another one there is `anchor.conflict`. */
  swap(next: string): Awaitable<void>
  close(): Awaitable<void>
}

export interface FileAnchor extends Anchor {
  load(): string | undefined
  swap(next: string): Promise<void>
  close(): void
}

export interface MemoryAnchor extends Anchor {
  load(): string | undefined
  swap(next: string): void
  close(): void
}

/** For the memory store and the simulator: survives a crash of the writer, as a file would. */
export function memoryAnchor(state: { note?: string } = {}): MemoryAnchor {
  let mine = state.note
  return {
    load: () => state.note,
    swap(next) {
      if (state.note !== mine) throw conflict('in memory')
      state.note = next
      mine = next
    },
    close() {},
  }
}

/** Each slot holds: magic, counter, length, note, SHA-256 of what precedes it. */
const SLOT_SIZE_BYTES = 8192
const MAGIC = 'polity-anchor-1\n'
const HEADER_SIZE_BYTES = MAGIC.length + 8 + 4
const NOTE_SIZE_MAX_BYTES = SLOT_SIZE_BYTES - HEADER_SIZE_BYTES - 32

interface Slot {
  readonly counter: bigint
  readonly note: string
}

/** A file of two slots written in turn: a torn write spoils one of them and the other still stands. */
export function fileAnchor(path: string): FileAnchor {
  let file = openAnchor(path)
  let last = newest(file)
  // What a failed swap may have left behind: written, but never known to be synced.
  let attempted: Slot | undefined
  // A fresh file is empty; one with bytes but no whole slot was damaged, and must not pass for fresh.
  if (last === undefined && fstatSync(file).size > 0)
    throw new PolityError(
      'anchor.corrupt',
      `the anchor ${path} is damaged in both slots: restore it from a copy, or remove it to adopt the database as it stands`,
      { path },
    )
  return {
    load: () => last?.note,
    async swap(next) {
      // Removed or replaced under us: writing on to a file that nobody finds again would protect nothing.
      if (statSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(file).ino) {
        // Opened before the old one is let go: where that fails, the next swap tries again.
        const found = openAnchor(path)
        closeSync(file)
        file = found
        if (fstatSync(file).size === 0) last = undefined
      }
      const there = newest(file)
      if (!isSameSlot(there, last) && !(attempted && isSameSlot(there, attempted))) throw conflict(path)
      attempted = { counter: (last?.counter ?? 0n) + 1n, note: next }
      await writeSlot(file, path, attempted)
      last = attempted
    },
    close: () => closeSync(file),
  }
}

const isSameSlot = (a: Slot | undefined, b: Slot | undefined): boolean =>
  a?.counter === b?.counter && a?.note === b?.note

/** Reads the anchor without holding it; undefined when there is none. */
export function readAnchor(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const file = openSync(path, 'r')
  try {
    return newest(file)?.note
  } finally {
    closeSync(file)
  }
}

function openAnchor(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const isNew = !existsSync(path)
    const file = openSync(path, isNew ? 'wx+' : 'r+', 0o600)
    if (isNew) syncFolder(dirname(path))
    return file
  } catch (error) {
    throw unwritable(path, error)
  }
}

function newest(file: number): Slot | undefined {
  const slots = [readSlot(file, 0), readSlot(file, 1)].filter((slot) => slot !== undefined)
  return slots.sort((a, b) => (a.counter < b.counter ? 1 : -1))[0]
}

function readSlot(file: number, position: number): Slot | undefined {
  const bytes = Buffer.alloc(SLOT_SIZE_BYTES)
  if (readSync(file, bytes, 0, SLOT_SIZE_BYTES, position * SLOT_SIZE_BYTES) < HEADER_SIZE_BYTES)
    return undefined
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  const counter = bytes.readBigUInt64BE(MAGIC.length)
  const sizeBytes = bytes.readUInt32BE(MAGIC.length + 8)
  if (sizeBytes > NOTE_SIZE_MAX_BYTES) return undefined
  const end = HEADER_SIZE_BYTES + sizeBytes
  const digest = hash('sha256', bytes.subarray(0, end), 'buffer')
  if (!digest.equals(bytes.subarray(end, end + 32))) return undefined
  return { counter, note: bytes.toString('utf8', HEADER_SIZE_BYTES, end) }
}

/** Synced beside the thread: whoever commits meanwhile waits for his own sync only. */
async function writeSlot(file: number, path: string, { counter, note }: Slot): Promise<void> {
  const text = Buffer.from(note)
  if (text.length > NOTE_SIZE_MAX_BYTES)
    throw unwritable(path, new RangeError(`a checkpoint of ${text.length} bytes does not fit`))
  const bytes = Buffer.alloc(HEADER_SIZE_BYTES + text.length + 32)
  bytes.write(MAGIC, 'latin1')
  bytes.writeBigUInt64BE(counter, MAGIC.length)
  bytes.writeUInt32BE(text.length, MAGIC.length + 8)
  text.copy(bytes, HEADER_SIZE_BYTES)
  hash('sha256', bytes.subarray(0, HEADER_SIZE_BYTES + text.length), 'buffer').copy(
    bytes,
    HEADER_SIZE_BYTES + text.length,
  )
  try {
    writeFully(file, bytes, Number(counter % 2n) * SLOT_SIZE_BYTES)
    await sync(file)
  } catch (error) {
    throw unwritable(path, error)
  }
}

const sync = promisify(fdatasync)

const unwritable = (path: string, cause: unknown): PolityError =>
  new PolityError(
    'anchor.unwritable',
    `the anchor ${path} cannot be written (${(cause as Error).message}): choose another place with --anchor PATH`,
    { path },
    cause,
  )

const conflict = (path: string): PolityError =>
  new PolityError(
    'anchor.conflict',
    `another hub has moved the anchor ${path}: two hubs must never sign one log`,
    { path },
  )
