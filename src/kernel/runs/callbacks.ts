// Callbacks: word of a run's end, sent to the address that its caller named, signed with the hub's statement key.

import { workingWrite } from '../catalog/working-rows.ts'
import type { Deliveries, Delivery, PreparedDelivery } from '../deliveries/deliveries.ts'
import type { Egress } from '../egress/egress.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { StoreReader } from '../store/store.ts'
import { RUNS, type RunRow } from './run.ts'
import type { StepCipher } from './step-cipher.ts'

const CALLBACK_URL_MAX = 2048
const SENDER = 'callbacks'
/** A body may have this much; a larger output is left out, and asked for under its run. */
const BODY_SIZE_MAX_BYTES = 512 * 1024

export interface Callbacks {
  /** How the address rests in the run's row. Throws `egress.invalid`, `egress.refused`. */
  seal(url: string, run: string): string
  /** The rows that make word of an end due. */
  draft(run: RunRow): readonly WorkingWrite[]
  /** What became of word to that address; undefined where the run has none. */
  stateOf(run: RunRow): Promise<CallbackState | undefined>
}

export interface CallbackState {
  /** `waiting`: the run has not ended. */
  readonly state: 'waiting' | Delivery['state']
  readonly attempts: number
  /** The newest attempt, RFC 3339: what was answered, or code and sentence where nothing was. */
  readonly at?: string
  readonly answered?: number
  readonly error?: string
  /** When it is tried again, RFC 3339. */
  readonly next?: string
}

export interface CallbacksPorts {
  readonly deliveries: Pick<Deliveries, 'register' | 'draft' | 'get'>
  readonly egress: Pick<Egress, 'requireUrl'>
  readonly reader: Pick<StoreReader, 'load'>
  readonly cipher: StepCipher
  /** Opens private references. */
  readonly open: (publicForm: unknown) => Promise<unknown>
  /** Ed25519, with the key that the log's first entry names. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
}

export function openCallbacks(ports: CallbacksPorts): Callbacks {
  const { deliveries, cipher, egress } = ports
  deliveries.register({
    name: SENDER,
    prepare: (delivery, nowMs) => prepare(ports, delivery, nowMs),
  })
  return {
    seal: (url, run) => cipher.seal(checkedUrl(url, egress), placeOf(run)),
    draft: ({ id, callback }) =>
      callback === undefined
        ? []
        : [workingWrite(deliveries.draft(SENDER, { key: id, lane: SENDER, content: { run: id } }))],
    stateOf: async ({ id, callback }) =>
      callback === undefined ? undefined : stateOf(await deliveries.get(`${SENDER}/${id}`)),
  }
}

function stateOf(delivery: Delivery | undefined): CallbackState {
  if (delivery === undefined) return { state: 'waiting', attempts: 0 }
  const { state, attempts, nextAtMs } = delivery
  const { at, status, error } = attempts.at(-1) ?? {}
  return {
    state,
    attempts: attempts.length,
    ...(at === undefined ? {} : { at }),
    ...(status === undefined ? {} : { answered: status }),
    ...(error === undefined ? {} : { error }),
    ...(state !== 'due' || nextAtMs === undefined ? {} : { next: new Date(nextAtMs).toISOString() }),
  }
}

const placeOf = (run: string): string => `${run}/callback`

/** What the way outside would refuse anyway is refused before anything is decided. */
function checkedUrl(url: string, egress: CallbacksPorts['egress']): string {
  if (url.length > CALLBACK_URL_MAX)
    throw new PolityError(
      'egress.invalid',
      `the run is not started: the address for word of its end has more than ${CALLBACK_URL_MAX} characters`,
    )
  try {
    egress.requireUrl(url)
    return new URL(url).href
  } catch (error) {
    const { code, message, facts } = asPolityError(error)
    throw new PolityError(
      code,
      `the run is not started, because word of its end could not be sent: ${message}`,
      facts,
      error,
    )
  }
}

/** undefined when the run was forgotten meanwhile: nobody can say any more what became of it. */
async function prepare(
  { reader, cipher, open, sign }: CallbacksPorts,
  { id, content }: Delivery,
  nowMs: number,
): Promise<PreparedDelivery | undefined> {
  const { run } = content as { readonly run: string }
  const text = (await reader.load(RUNS, [run])).value.get(run)?.value
  if (text == null) return undefined
  const row = JSON.parse(text) as RunRow
  if (row.callback === undefined) return undefined
  const body = await bodyOf(row, open)
  const timestamp = Math.floor(nowMs / 1000)
  // Standard Webhooks, "Signature scheme": v1a is Ed25519 over id.timestamp.body.
  const signature = Buffer.from(sign(Buffer.from(`${id}.${timestamp}.${body}`))).toString('base64')
  return {
    url: cipher.open(row.callback, placeOf(run)),
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': `${timestamp}`,
      'webhook-signature': `v1a,${signature}`,
    },
    body,
  }
}

async function bodyOf(row: RunRow, open: CallbacksPorts['open']): Promise<string> {
  const { id: run, action, status, error, finishedAt } = row
  const told = {
    run,
    action,
    status,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
  }
  if (status !== 'done') return JSON.stringify(told)
  const body = JSON.stringify({ ...told, output: await open(row.output) })
  return Buffer.byteLength(body) <= BODY_SIZE_MAX_BYTES
    ? body
    : JSON.stringify({ ...told, isOutputLeftOut: true })
}
