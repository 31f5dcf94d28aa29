// What a hub records before anything else: the log's name and keys.

import { Buffer } from 'node:buffer'
import { createHmac, hash } from 'node:crypto'
import { type Beside, type HubRecordPorts, recordAsHub } from '../catalog/hub-records.ts'
import { LogOpened } from '../catalog/records.ts'
import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { keysInForce } from '../keys/contract.ts'
import type { Draft } from '../log/entry.ts'
import type { AppendOptions } from '../log/log.ts'
import type { Realm } from '../realm/realm.ts'
import type { Static } from '../schema/schema.ts'

/** Working state: what was recorded, so that it is recorded once. */
export const SYSTEM = 'system'
export const OPENED = 'opened'

export const keyidOf = (publicKey: Uint8Array): string => hash('sha256', publicKey, 'hex')

/**
 * Entry 0, once per log; afterwards the keys at hand must be those that it names, or their successors.
 * Throws `signer.failed` when another key lies in DATA than the log was opened with.
 */
export async function recordGenesis(realm: Realm, source: string, env: Env, release: string): Promise<void> {
  const { log, statementSigner } = realm
  // What a hub before this one committed may not be published yet.
  const opened = (await realm.reader.load(SYSTEM, [OPENED])).value.get(OPENED)?.value
  if (opened != null || log.head().size > 0) return checkKeys(realm, opened)
  const { publicKey } = statementSigner.key
  const statementKey = { keyid: keyidOf(publicKey), publicKey: Buffer.from(publicKey).toString('base64') }
  await recordUnlessDone(
    { log, source, env },
    [LogOpened({ origin: log.origin, realm: realm.name, vkey: log.vkey, statementKey, release })],
    {
      expect: [{ table: SYSTEM, key: OPENED, version: 0 }],
      rows: [{ table: SYSTEM, key: OPENED, value: JSON.stringify(vaultMarkOf(realm)) }],
    },
    { wait: 'signed' },
  )
}

/** Tells whether a vault key is still the same one, and nothing else about it. */
export const vaultMarkOf = ({ vaultKey }: Pick<Realm, 'vaultKey'>): string =>
  createHmac('sha256', vaultKey).update('the vault of this log').digest('hex')

async function checkKeys(realm: Realm, opened: string | null | undefined): Promise<void> {
  const { log, statementSigner } = realm
  if (opened != null && JSON.parse(opened) !== vaultMarkOf(realm)) throw otherKey("the vault's key")
  await log.published(1)
  const { type, data } = (await log.entry(0)).entry
  if (type !== LogOpened.name) return
  const { vkey, statementKey } = data as Static<typeof LogOpened.schema>
  const newest = (await realm.views.get(keysInForce, log.origin))?.value.current ?? vkey
  if (!realm.keys.vkeys().includes(newest)) throw otherKey('the signing key')
  if (statementKey.keyid !== keyidOf(statementSigner.key.publicKey)) throw otherKey('the key of statements')
}

const otherKey = (which: string): PolityError =>
  new PolityError(
    'signer.failed',
    `${which} is not the one that this log was opened with: restore it from a copy`,
  )

/** Of hubs that start on one log together, one records it; to the others it is done. */
async function recordUnlessDone(
  ports: HubRecordPorts,
  drafts: readonly Draft[],
  beside: Beside,
  options: AppendOptions,
): Promise<void> {
  try {
    await recordAsHub(ports, drafts, beside, options)
  } catch (error) {
    if (asPolityError(error).code !== 'expectation.failed') throw error
  }
}
