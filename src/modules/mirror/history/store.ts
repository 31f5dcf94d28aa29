// Commit facts as bytes and back: the file in which a repository's history is remembered.

import type { ObjectFormat } from '../git/clean-room.ts'
import type { Commits } from './commits.ts'

/** Commits that belong to one head; facts of a commit never change, so they outlive any head. */
export interface StoredHistory {
  readonly objectFormat: ObjectFormat
  /** SHA-256 of the `shallow` file: a deepened clone has other facts at its former edge. */
  readonly shallowDigest: string
  readonly head: string
  readonly clampedTimes: number
  readonly commits: Commits
}

/** Sections in file order. Columns are little-endian, as every machine that runs this is. */
export function encodeHistory(history: StoredHistory): Buffer[] {
  const { commits } = history
  const header = [history.objectFormat, history.shallowDigest, history.head, String(history.clampedTimes)]
  return [
    texts(header),
    texts(commits.ids),
    texts(commits.parents),
    texts(commits.paths),
    texts(commits.identities),
    column(commits.parentStart),
    column(commits.author),
    column(commits.committedAtS),
    column(commits.hasLines),
    column(commits.changeStart),
    column(commits.path),
    column(commits.from),
    column(commits.kind),
    column(commits.added),
    column(commits.deleted),
  ].flatMap((section) => [sizeOf(section), section])
}

/** The history of these bytes, or null when they are not one. The bytes were sealed: this guards against mistakes. */
export function decodeHistory(bytes: Buffer): StoredHistory | null {
  const sections = split(bytes)
  if (sections?.length !== 15) return null
  const [header, ids, parents, paths, identities, ...columns] = sections as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]
  const [objectFormat, shallowDigest, head, clampedTimes] = textsOf(header)
  if (objectFormat !== 'sha1' && objectFormat !== 'sha256') return null
  const [parentStart, author, committedAtS, hasLines, changeStart, path, from, kind, added, deleted] =
    columns as Buffer[]
  const commits: Commits = {
    count: textsOf(ids).length,
    ids: textsOf(ids),
    parents: textsOf(parents),
    paths: textsOf(paths),
    identities: pairsOf(textsOf(identities)),
    parentStart: new Int32Array(aligned(parentStart)),
    author: new Int32Array(aligned(author)),
    committedAtS: new Float64Array(aligned(committedAtS)),
    hasLines: new Uint8Array(aligned(hasLines)),
    changeStart: new Int32Array(aligned(changeStart)),
    path: new Int32Array(aligned(path)),
    from: new Int32Array(aligned(from)),
    kind: new Uint8Array(aligned(kind)),
    added: new Int32Array(aligned(added)),
    deleted: new Int32Array(aligned(deleted)),
  }
  if (commits.author.length !== commits.count || commits.changeStart.length !== commits.count + 1) return null
  return {
    objectFormat,
    shallowDigest: shallowDigest ?? '',
    head: head ?? '',
    clampedTimes: Number(clampedTimes),
    commits,
  }
}

/** No text of git's can hold a NUL, except that an identity is two of them. */
const texts = (list: readonly string[]) => Buffer.from(list.map((text) => `${text}\0`).join(''), 'latin1')

function textsOf(bytes: Buffer): string[] {
  const list = bytes.toString('latin1').split('\0')
  list.pop()
  return list
}

function pairsOf(list: readonly string[]): string[] {
  const pairs: string[] = []
  for (let at = 0; at < list.length; at += 2) pairs.push(`${list[at]}\0${list[at + 1]}`)
  return pairs
}

const column = (values: Int32Array | Float64Array | Uint8Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength)

function sizeOf(section: Buffer): Buffer {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(section.length))
  return size
}

function split(bytes: Buffer): Buffer[] | null {
  const sections: Buffer[] = []
  let at = 0
  while (at + 8 <= bytes.length) {
    const end = at + 8 + Number(bytes.readBigUInt64LE(at))
    if (end > bytes.length) return null
    sections.push(bytes.subarray(at + 8, end))
    at = end
  }
  return at === bytes.length ? sections : null
}

/** Typed arrays need their bytes at a multiple of their size. */
function aligned(bytes: Buffer | undefined): ArrayBuffer {
  const copy = new ArrayBuffer(bytes?.length ?? 0)
  if (bytes) new Uint8Array(copy).set(bytes)
  return copy
}
