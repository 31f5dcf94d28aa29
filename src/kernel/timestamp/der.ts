// DER as RFC 3161 needs it (ITU-T X.690): strict definite lengths, nothing guessed, nothing read beyond its parent.

import { Buffer } from 'node:buffer'
import { PolityError } from '../errors.ts'

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

export interface DerNode {
  readonly tag: number
  /** The contents. */
  readonly value: Buffer
  /** Tag, length and contents. */
  readonly raw: Buffer
}

/** The context-specific constructed tag `[n]`. */
export const context = (n: number): number => 0xa0 + n

const LENGTH_BYTES_MAX = 3

/** The one value that these bytes are. Throws `timestamp.invalid`. */
export function readDer(bytes: Uint8Array): DerNode {
  const [node, ...rest] = childrenOf({ value: Buffer.from(bytes) })
  if (node === undefined || rest.length > 0) throw malformed('there is not exactly one value')
  return node
}

/** The values that a constructed value holds. Throws `timestamp.invalid`. */
export function childrenOf({ value }: Pick<DerNode, 'value'>): readonly DerNode[] {
  const nodes: DerNode[] = []
  for (let at = 0; at < value.length; ) {
    const node = readAt(value, at)
    nodes.push(node)
    at += node.raw.length
  }
  return nodes
}

function readAt(bytes: Buffer, at: number): DerNode {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw malformed('it ends early')
  // High tag numbers do not occur in what is read here.
  if ((tag & 0x1f) === 0x1f) throw malformed('a tag is too long')
  const { length, headerBytes } = readLength(bytes, at + 1, first)
  const start = at + 1 + headerBytes
  if (start + length > bytes.length) throw malformed('a length leads beyond the end')
  return { tag, value: bytes.subarray(start, start + length), raw: bytes.subarray(at, start + length) }
}

function readLength(bytes: Buffer, at: number, first: number) {
  if (first < 0x80) return { length: first, headerBytes: 1 }
  const count = first & 0x7f
  if (count === 0 || count > LENGTH_BYTES_MAX || at + 1 + count > bytes.length)
    throw malformed('a length is indefinite or too large')
  const length = bytes.readUIntBE(at + 1, count)
  if (length < 0x80 || length < 2 ** (8 * (count - 1)))
    throw malformed('a length is not in its shortest form')
  return { length, headerBytes: 1 + count }
}

/** The node, if it has this tag. Throws `timestamp.invalid`. */
export function expectTag(node: DerNode | undefined, tag: number, what: string): DerNode {
  if (node?.tag !== tag) throw malformed(`${what} is not where it belongs`)
  return node
}

/** The dotted form of an OBJECT IDENTIFIER (X.690 section 8.19). */
export function readOid(node: DerNode | undefined, what: string): string {
  const { value } = expectTag(node, TAG.oid, what)
  const arcs: number[] = []
  let arc = 0
  for (const byte of value) {
    arc = arc * 128 + (byte & 0x7f)
    if (arc > 2 ** 40) throw malformed(`${what} has a huge arc`)
    if ((byte & 0x80) !== 0) continue
    arcs.push(arc)
    arc = 0
  }
  const [first = 0, ...rest] = arcs
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - root * 40, ...rest].join('.')
}

/** A GeneralizedTime of RFC 3161 section 2.4.2: `YYYYMMDDhhmmss[.s...]Z`; milliseconds since the Unix epoch. */
export function readTimeMs(node: DerNode | undefined): number {
  const text = expectTag(node, TAG.generalizedTime, 'the time').value.toString('latin1')
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z$/.exec(text)
  if (parts === null) throw malformed('the time is no time in UTC')
  const [, year, month, day, hour, minute, second, fraction = ''] = parts
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(ms)) throw malformed('there is no such time')
  return ms + Math.floor(Number(`0${fraction}`) * 1000)
}

/** Tag, length and contents. */
export function derOf(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(contents)
  return Buffer.concat([Uint8Array.of(tag), lengthOf(value.length), value])
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.of(0x80 + bytes.length, ...bytes)
}

/** An INTEGER that is not negative, from its big-endian bytes. */
export function derInteger(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const shortest = bytes.subarray(start)
  const isHigh = ((shortest[0] ?? 0) & 0x80) !== 0
  return derOf(TAG.integer, isHigh ? Buffer.concat([Uint8Array.of(0), shortest]) : shortest)
}

export const malformed = (why: string, cause?: unknown): PolityError =>
  new PolityError(
    'timestamp.invalid',
    `this is no timestamp that can be trusted: ${why}`,
    { reason: why },
    cause,
  )
