// What one entry must be, judged from its bytes alone: canonical JSON, a CloudEvents 1.0 object, and what stands beside it.

import { Buffer, isAscii, isUtf8 } from 'node:buffer'
import { canonicalize } from '../../../kit/canonical-json.ts'
import { KitError } from '../../../kit/error.ts'
import { leafHash } from '../../../kit/merkle.ts'
import { ENTRY_SIZE_MAX_BYTES } from '../../log/entry.ts'
import { failed } from './failure.ts'

/** An entry as a source gives it; what is set besides seq and bytes is a claim to be compared with the bytes. */
export interface ClaimedEntry {
  readonly seq: number
  readonly bytes: Uint8Array
  readonly leaf?: Uint8Array
  readonly id?: string
  readonly source?: string
  readonly type?: string
}

/** The members that every entry has; all others are attributes of CloudEvents, or `data`. */
export interface CheckedEntry {
  readonly leaf: Uint8Array
  readonly id: string
  readonly source: string
  readonly type: string
  readonly event: Readonly<Record<string, unknown>>
}

/** Throws `verify.failed` with facts seq and reason `leaf`, `form` or `column`. */
export function checkEntry(claimed: ClaimedEntry): CheckedEntry {
  const { seq, bytes } = claimed
  const leaf = leafHash(bytes)
  if (claimed.leaf !== undefined && Buffer.compare(leaf, claimed.leaf) !== 0)
    throw failed('leaf', `entry ${seq} is not the one that was hashed into the log`, { seq })
  const event = readEvent(seq, bytes)
  const checked = checkEvent(seq, event)
  for (const name of ['id', 'source', 'type'] as const)
    if (claimed[name] !== undefined && claimed[name] !== checked[name])
      throw failed('column', `the ${name} stored beside entry ${seq} is not the one in its bytes`, {
        seq,
        column: name,
      })
  return { leaf, ...checked }
}

/** RFC 8785: the bytes must be exactly those that their value is written with. */
function readEvent(seq: number, bytes: Uint8Array): unknown {
  const fault = (what: string, cause?: unknown) => failed('form', `entry ${seq} ${what}`, { seq }, cause)
  if (bytes.length > ENTRY_SIZE_MAX_BYTES) throw fault(`has ${bytes.length} bytes`)
  const text = textOf(bytes)
  if (text === undefined) throw fault('is not UTF-8')
  try {
    const event: unknown = JSON.parse(text)
    if (canonicalize(event) !== text) throw fault('is not canonical JSON')
    return event
  } catch (error) {
    // The message of a SyntaxError quotes the text, which nobody vouches for.
    if (error instanceof KitError || error instanceof SyntaxError) throw fault('is not canonical JSON', error)
    throw error
  }
}

function textOf(bytes: Uint8Array): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(buffer)) return buffer.toString('latin1')
  return isUtf8(buffer) ? buffer.toString() : undefined
}

/** CloudEvents 1.0, section 3: names of lower-case letters and digits, values of the simple types. */
const ATTRIBUTE_NAME = /^[a-z0-9]+$/
/** RFC 3339 section 5.6. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/
const TEXT_ATTRIBUTES = ['id', 'source', 'type'] as const
const OPTIONAL_TEXT_ATTRIBUTES = ['subject', 'time', 'dataschema'] as const
/** A number of the log, not of the event: an attribute of this name would pass for it in every reader. */
const RESERVED_NAME = 'seq'

function checkEvent(seq: number, event: unknown): Omit<CheckedEntry, 'leaf'> {
  const fault = faultOf(event)
  if (fault !== undefined)
    throw failed('form', `entry ${seq} is not a CloudEvents 1.0 object: ${fault}`, { seq })
  const members = event as Members & { readonly id: string; readonly source: string; readonly type: string }
  return { id: members.id, source: members.source, type: members.type, event: members }
}

type Members = Readonly<Record<string, unknown>>

function faultOf(event: unknown): string | undefined {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return 'it is no JSON object'
  const members = event as Members
  if (members.specversion !== '1.0') return 'specversion is not 1.0'
  if (members.datacontenttype !== 'application/json') return 'datacontenttype is not application/json'
  if (!Object.hasOwn(members, 'data')) return 'it has no data'
  for (const name of TEXT_ATTRIBUTES) if (!isText(members[name])) return `${name} is not a text`
  return optionalFault(members)
}

function optionalFault(members: Members): string | undefined {
  for (const name of OPTIONAL_TEXT_ATTRIBUTES)
    if (members[name] !== undefined && !isText(members[name])) return `${name} is not a text`
  if (members.time !== undefined && !TIME.test(members.time as string)) return 'time is not RFC 3339'
  for (const name in members) {
    if (name === 'data') continue
    if (name === RESERVED_NAME || !ATTRIBUTE_NAME.test(name)) return 'an attribute has a forbidden name'
    if (!isSimple(members[name])) return `the attribute ${name} is neither text, boolean nor integer`
  }
  return undefined
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isSimple = (value: unknown): boolean =>
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  (Number.isInteger(value) && (value as number) === ((value as number) | 0))
