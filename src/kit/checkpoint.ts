// C2SP tlog-checkpoint: the text by which a log commits to its size and root.

import { decodeBase64, encodeBase64 } from './base64.ts'
import { KitError } from './error.ts'
import { HASH_SIZE_BYTES } from './merkle.ts'

export interface Checkpoint {
  /** Identifies the log; a schema-less URL by convention. */
  readonly origin: string
  /** Number of leaves. */
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Opaque further lines. The spec advises against them. */
  readonly extensions?: readonly string[]
}

/** The text to be signed as a note; ends with a newline. Throws KitError `checkpoint`. */
export function formatCheckpoint({ origin, size, root, extensions = [] }: Checkpoint): string {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new KitError('checkpoint', 'a tree size is a whole number up to 2^53 - 1')
  }
  if (root.length !== HASH_SIZE_BYTES) throw new KitError('checkpoint', 'a root hash has 32 bytes')
  const lines = [origin, String(size), encodeBase64(root), ...extensions]
  lines.forEach(checkLine)
  return `${lines.join('\n')}\n`
}

/** Reads the text of a checkpoint (without signatures). Throws KitError `checkpoint` for anything but the exact form. */
export function parseCheckpoint(text: string): Required<Checkpoint> {
  if (!text.endsWith('\n')) throw new KitError('checkpoint', 'a checkpoint ends with a newline')
  const lines = text.slice(0, -1).split('\n')
  lines.forEach(checkLine)
  const [origin, size, root, ...extensions] = lines
  if (origin === undefined || size === undefined || root === undefined) {
    throw new KitError('checkpoint', 'a checkpoint has three lines: origin, size, root')
  }
  return { origin, size: parseSize(size), root: parseRoot(root), extensions }
}

function checkLine(line: string): void {
  if (line === '' || /[^ -\uffff]/.test(line) || !line.isWellFormed()) {
    throw new KitError('checkpoint', 'a line of a checkpoint is empty or holds a control character')
  }
}

// "ASCII decimal representation ... with no leading zeroes (unless the tree is empty)".
function parseSize(line: string): number {
  const size = /^(?:0|[1-9][0-9]{0,15})$/.test(line) ? Number(line) : Number.NaN
  if (!Number.isSafeInteger(size)) throw new KitError('checkpoint', 'the tree size is not a decimal number')
  return size
}

function parseRoot(line: string): Uint8Array {
  const root = decodeBase64(line)
  if (root?.length !== HASH_SIZE_BYTES)
    throw new KitError('checkpoint', 'the root hash is not base64 of 32 bytes')
  return root
}
