// A hub's writing side on PostgreSQL in a process of its own: takes the lease, writes without end, and says what it is told.

import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { systemEnv } from '../../src/kernel/env.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import type { Anchor } from '../../src/kernel/log/anchor.ts'
import { sealEntry } from '../../src/kernel/log/entry.ts'
import { openSequencer, type Sequencer } from '../../src/kernel/log/sequencer.ts'
import { fileSigner } from '../../src/kernel/log/signer.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { say } from './say.ts'
import { Told } from './tally.ts'

const ORIGIN = 'fault.example/postgres'

/** Lines on stdout: `writing EPOCH`, `ack SEQ TEXT`, `refused CODE`, `pub NOTE-AS-JSON`, `lost CODE`, `forged CODE`, `ended`. */
const env = systemEnv()

const [url = '', realmName = '', keyPath = '', holder = '', ttlMs = '0', proposers = '1'] =
  process.argv.slice(2)

async function write(): Promise<void> {
  const realm = await openPostgres(url, realmName)
  let lease = await realm.lease.acquire(holder, Number(ttlMs))
  while (!lease) {
    await setTimeout(Number(ttlMs) / 10)
    lease = await realm.lease.acquire(holder, Number(ttlMs))
  }
  const { epoch } = lease
  const anchor = realm.anchor(epoch)
  const sequencer = await openSequencer({
    origin: ORIGIN,
    store: realm.fencedStore(epoch),
    anchor,
    views: [],
    signer: fileSigner(ORIGIN, keyPath, true),
    vaultKey: new Uint8Array(32),
    env,
    onPublished: ({ checkpoint }) => say(`pub ${JSON.stringify(checkpoint)}`),
    onFailure: ({ code }) => say(`failure ${code}`),
    onLost: ({ code }) => say(`lost ${code}`),
  })
  say(`writing ${epoch}`)
  const leaving = new AbortController()
  process.on('SIGTERM', () => leaving.abort())
  const renewing = (async () => {
    while (!leaving.signal.aborted && (await realm.lease.renew(holder, epoch, Number(ttlMs))))
      await setTimeout(Number(ttlMs) / 3)
    leaving.abort()
  })()
  await Promise.all(
    Array.from({ length: Number(proposers) }, (_, n) => load(sequencer, `${holder}${n}`, leaving.signal)),
  )
  await renewing
  // Whoever still holds the lease owns the anchor; one that lost it tries what it may not.
  if (!(await realm.lease.renew(holder, epoch, Number(ttlMs)))) say(`forged ${await forge(anchor)}`)
  await sequencer.close().catch((error: unknown) => say(`failure ${asPolityError(error).code}`))
  await realm.close()
  say('ended')
}

const forge = (anchor: Anchor): Promise<string> =>
  Promise.resolve(anchor.swap('forged')).then(
    () => 'moved',
    (error: unknown) => asPolityError(error).code,
  )

async function load(sequencer: Sequencer, teller: string, signal: AbortSignal): Promise<void> {
  for (let number = 0; !signal.aborted; number++) {
    const { text } = sealEntry(Told({ teller, number, secret: null }), { source: 'polity://fault' }, env)
    try {
      const { first } = await sequencer.propose({ entries: [text] })
      say(`ack ${first} ${text}`)
    } catch (error) {
      say(`refused ${asPolityError(error).code}`)
      await setTimeout(5)
    }
  }
}

if (url !== '') await write()
