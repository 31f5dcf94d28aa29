// A process that owns a realm on disk and does what its parent says: the victim of the fault tests.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { systemEnv } from '../../src/kernel/env.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import { sealEntry } from '../../src/kernel/log/entry.ts'
import { type Log, openLog } from '../../src/kernel/log/log.ts'
import type { Proposal, Published } from '../../src/kernel/log/proposal.ts'
import type { Sequencer } from '../../src/kernel/log/sequencer.ts'
import { openThreadedSequencer } from '../../src/kernel/log/thread/threaded-sequencer.ts'
import { openViews, type Views } from '../../src/kernel/log/views.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { say } from './say.ts'
import { Told, tallies } from './tally.ts'

/** What a parent may ask over IPC; every command is answered with `{ id, value }` or `{ id, code }`. */
export type Command =
  | {
      readonly id: number
      readonly kind: 'append'
      readonly teller: string
      readonly count: number
      readonly sizeBytes: number
    }
  | { readonly id: number; readonly kind: 'read' }
  | { readonly id: number; readonly kind: 'close' }

/** Lines on stdout: `ready`, `ack SEQ TEXT`, `pub NOTE-AS-JSON`. */

export const ORIGIN = 'fault.example/log'

const env = systemEnv()
const ports: { log?: Log; views?: Views; sequencer?: Sequencer } = {}

async function open(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const vaultKeyPath = join(folder, 'vault.key')
  const vaultKey = Buffer.alloc(32, 7)
  if (!existsSync(vaultKeyPath)) writeFileSync(vaultKeyPath, vaultKey)
  const databasePath = join(folder, 'realm.db')
  let announce = (_published: Published): void => {}
  let first: Published | undefined
  const sequencer = await openThreadedSequencer(
    {
      place: { kind: 'sqlite', databasePath, anchorPath: join(folder, 'anchor') },
      origin: ORIGIN,
      keyPath: join(folder, 'log.key'),
      vaultKeyPath,
      contracts: [new URL('./tally.ts', import.meta.url).href],
    },
    {
      onPublished: (published) => {
        first ??= published
        announce(published)
        say(`pub ${JSON.stringify(published.checkpoint)}`)
      },
      onFailure: (error) => say(`failure ${error.code}`),
      onLost: (error) => {
        process.stderr.write(`the writer is lost: ${error.message}\n`)
        process.exit(1)
      },
    },
  )
  const reader = sqliteStore(databasePath, 'read')
  const opened = openLog(
    { origin: ORIGIN, vkey: sequencer.vkey, sequencer, reader },
    first ?? { size: 0, checkpoint: '' },
  )
  announce = opened.announce
  Object.assign(ports, { log: opened.log, views: openViews(reader, vaultKey, opened.log), sequencer })
}

/** One proposal of `count` facts, acknowledged on stdout. */
async function append(teller: string, count: number, sizeBytes: number): Promise<number> {
  const sealed = Array.from({ length: count }, (_, number) =>
    sealEntry(Told({ teller, number, secret: 'x'.repeat(sizeBytes) }), { source: 'polity://fault' }, env),
  )
  const proposal: Proposal = {
    entries: sealed.map(({ text }) => text),
    seals: [{ subject: teller, openings: sealed.flatMap(({ openings }) => openings) }],
  }
  const receipt = await (ports.log as Log).append(proposal)
  say(proposal.entries.map((text, offset) => `ack ${receipt.first + offset} ${text}`).join('\n'))
  return receipt.first
}

/** Callers that never stop: each has one proposal under way. */
async function load(callers: number): Promise<never> {
  const caller = async (teller: string): Promise<never> => {
    for (let turn = 0; ; turn++) await append(teller, 1 + (turn % 3), turn % 50)
  }
  return Promise.race(Array.from({ length: callers }, (_, n) => caller(`caller${n}`)))
}

async function answer(command: Command): Promise<unknown> {
  switch (command.kind) {
    case 'append':
      return append(command.teller, command.count, command.sizeBytes)
    case 'read': {
      const { log, views } = ports as Required<typeof ports>
      // Rows are answered once they are published, so the page behind them holds everything.
      const rows = await views.list(tallies, { limit: 100 })
      const page = await log.read({ limit: 1000, isNewestFirst: true })
      const proven = page.entries[0] ? await log.prove(page.entries[0].seq) : ''
      return { size: log.head().size, seqs: page.entries.map(({ seq }) => seq), rows: rows.length, proven }
    }
    case 'close':
      await ports.sequencer?.close()
      return true
  }
}

process.on('message', (command: Command) => {
  answer(command).then(
    (value) => process.send?.({ id: command.id, value }),
    (error: unknown) => process.send?.({ id: command.id, code: asPolityError(error).code }),
  )
})

const [folder = '', callers = '0'] = process.argv.slice(2)
if (folder !== '') {
  await open(folder)
  say('ready')
  if (Number(callers) > 0) await load(Number(callers))
}
