// The signing keys of a log: what its entries say about them, and the actions that hand over from one to the next.

import { command, noun, query } from '../catalog/definition.ts'
import { LogOpened } from '../catalog/records.ts'
import { entryType, type PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Described, Integer, type Static, Timestamp, Type } from '../schema/schema.ts'
import { KEY_ENTRIES } from './chain.ts'

/** C2SP signed-note verifier key of an Ed25519 or ML-DSA-44 key. */
const Vkey = Type.String({ minLength: 1, maxLength: 4096 })
const Signature = Type.String({ pattern: '^[A-Za-z0-9+/]{86}==$' })
const Reason = Type.Union([Type.Literal('scheduled'), Type.Literal('compromised')])

/** The old key signs for as long as this beside the new one, unless the action says otherwise. */
export const OVERLAP_DEFAULT_HOURS = 7 * 24
export const OVERLAP_MAX_HOURS = 366 * 24

/** A successor of the log's key: both keys signed `rotationStatement` over from, to, at and reason. */
export const KeyRotated = entryType(KEY_ENTRIES.rotated, {
  from: Vkey,
  to: Vkey,
  at: Timestamp,
  reason: Reason,
  signatureByOld: Signature,
  signatureByNew: Signature,
  /** When `from` is to stop signing. */
  overlapUntil: Timestamp,
})

/** From the next checkpoint on, this key signs no more. */
export const KeyRetired = entryType(KEY_ENTRIES.retired, { vkey: Vkey, reason: Reason })

/** A key with which the log itself cosigns its retained checkpoints. It is no witness. */
export const CosignerNamed = entryType(KEY_ENTRIES.cosigner, { vkey: Vkey })

/** The state of a log's keys; `previous` signs beside `current` until the overlap ends. */
interface InForce {
  readonly current: string
  readonly previous?: {
    readonly vkey: string
    readonly until: string
    readonly reason: Static<typeof Reason>
  }
  readonly cosigner?: string
}

type KeyEntryType = typeof LogOpened | typeof KeyRotated | typeof KeyRetired | typeof CosignerNamed
type Told = { readonly type: string; readonly data: PublicData<KeyEntryType> }

/** One row per log, by its origin: a log that goes on from another one holds the rows of both. */
export const keysInForce = view<InForce, KeyEntryType>('keys.in-force', 1, {
  from: [LogOpened, KeyRotated, KeyRetired, CosignerNamed],
  keys: (entry) => [originOf(entry)],
  fold: (row, entry) => foldInForce(row?.value, entry),
})

/** The name of a verifier key is the origin, up to the first plus; a cosigner's is a path under it. */
function originOf({ data }: Told): string {
  if ('origin' in data) return data.origin
  if ('from' in data) return nameOf(data.to)
  return nameOf(data.vkey).replace(/\/ml-dsa-44$/, '')
}

const nameOf = (vkey: string): string => vkey.slice(0, vkey.indexOf('+'))

function foldInForce(row: InForce | undefined, { type, data }: Told): InForce {
  if ('origin' in data) return { current: data.vkey }
  if ('from' in data) {
    const { from, to, overlapUntil: until, reason } = data
    return { ...row, current: to, previous: { vkey: from, until, reason } }
  }
  if (type === CosignerNamed.name) return { current: '', ...row, cosigner: data.vkey }
  const { previous, ...rest } = row ?? { current: '' }
  return previous?.vkey === data.vkey ? rest : { ...rest, ...(previous === undefined ? {} : { previous }) }
}

export const LogKey = noun('keys.key', {
  vkey: Vkey,
  /** `current` is the newest; `overlapping` signs beside it; a `cosigner` signs retained checkpoints. */
  state: Type.Union([
    Type.Literal('current'),
    Type.Literal('overlapping'),
    Type.Literal('retired'),
    Type.Literal('cosigner'),
  ]),
  since: Timestamp,
  /** Seq of the entry that named it. */
  seq: Integer,
  until: Type.Optional(Timestamp),
  reason: Type.Optional(Reason),
})

type LogKeyRow = Static<typeof LogKey>

/** An ML-DSA-44 key is longer than a row's key may be; its beginning names it as well. */
const ROW_KEY_CHARS = 512
const rowKey = (vkey: string): string => vkey.slice(0, ROW_KEY_CHARS)

/** Every key that the log ever had. */
export const logKeys = view<LogKeyRow, KeyEntryType>('keys.keys', 1, {
  from: [LogOpened, KeyRotated, KeyRetired, CosignerNamed],
  keys: ({ data }) => ('from' in data ? [rowKey(data.from), rowKey(data.to)] : [rowKey(data.vkey)]),
  fold(row, { type, data, seq, time }, key) {
    const fresh = (vkey: string): LogKeyRow => ({ vkey, state: 'current', since: time, seq })
    if (!('from' in data)) {
      if (type === CosignerNamed.name) return { ...fresh(data.vkey), state: 'cosigner' }
      return 'origin' in data
        ? fresh(data.vkey)
        : { ...(row?.value ?? fresh(data.vkey)), state: 'retired', until: time }
    }
    if (key === rowKey(data.to)) return fresh(data.to)
    const { overlapUntil: until, reason } = data
    return { ...(row?.value ?? fresh(data.from)), state: 'overlapping', until, reason }
  },
})

export const rotate = command('keys.rotate@1', {
  summary:
    "Hands the log over to a new signing key; old and new key both sign that it is the old one's successor.",
  input: {
    reason: Type.Optional(
      Described(Reason, 'scheduled (default), or compromised: then the old key signs no more at once'),
    ),
    overlapHours: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: OVERLAP_MAX_HOURS,
        description: `how long both keys sign every checkpoint (default: ${OVERLAP_DEFAULT_HOURS}, seven days)`,
      }),
    ),
  },
  output: Closed({ from: Vkey, to: Vkey, overlapUntil: Timestamp }),
  errors: ['keys.overlap', 'keys.external', 'signer.failed'],
  risk: 'critical',
  conduct: { changes: ['credentials'], resourceClass: 'log' },
  isReserved: true,
  effect: 'atomic',
  resource: () => 'log/keys',
  facts: ['reason'],
})

export const retire = command('keys.retire@1', {
  summary: 'Ends the overlap of two signing keys before its time: only the new one signs from here on.',
  input: {},
  output: Closed({ retired: Vkey, current: Vkey }),
  errors: ['keys.overlap'],
  risk: 'critical',
  conduct: { changes: ['credentials'], resourceClass: 'log', reversible: false },
  isReserved: true,
  effect: 'atomic',
  resource: () => 'log/keys',
})

export const listKeys = query('keys.list@1', {
  summary: 'The signing keys that the log has and had, oldest first.',
  input: {},
  output: Closed({ items: Type.Array(LogKey) }),
  risk: 'low',
  http: { path: 'log/keys' },
})

export const RetainedCheckpointShape = noun('keys.checkpoint', {
  size: Integer,
  at: Timestamp,
  note: Type.String(),
  isTimestamped: Type.Boolean(),
})

export const listCheckpoints = query('checkpoints.list@1', {
  summary: 'Retained checkpoints in order of size: signed notes of what the log was.',
  input: {
    after: Type.Optional(Type.Integer({ minimum: 0, description: 'go on after this size' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'how many at most' })),
  },
  output: Closed({ items: Type.Array(RetainedCheckpointShape), after: Type.Optional(Integer) }),
  risk: 'low',
  cli: { as: 'keys checkpoints' },
  http: { path: 'log/checkpoints' },
})
