// A process that prunes its log and kills itself at a given commit: the victim of the pruning's fault test.

import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import type { CommandContext } from '../../src/kernel/catalog/context.ts'
import { recordAsHub } from '../../src/kernel/catalog/hub-records.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { openRealm } from '../../src/kernel/realm/open-realm.ts'
import type { Realm } from '../../src/kernel/realm/realm.ts'
import * as retention from '../../src/kernel/retention/contract.ts'
import { pruneLog } from '../../src/kernel/retention/prune.ts'
import * as tally from './tally.ts'

const AGE_MS = 400 * 24 * 3600_000
/**
 * DAYS have passed on its clock. `fill COUNT`, or `prune RUN KILL_AT`: it ends before (odd) or after (even) the commit
 * of half that number.
 */
const [root = '', days = '0', task = '', first = '', killAt = '0'] = process.argv.slice(2)
const real = systemEnv()
const env = { ...real, now: () => real.now() + Number(days) * 24 * 3600_000 }

const realm = await openRealm({
  name: 'test',
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  contracts: [
    { url: new URL('../../src/kernel/retention/contract.ts', import.meta.url).href, exports: retention },
    { url: new URL('./tally.ts', import.meta.url).href, exports: tally },
  ],
  env,
  publishIntervalMs: 1,
  onFailure: (error) => process.stderr.write(`${error.message}\n`),
})

if (task === 'fill') await fill(Number(first))
else await prune(first, Number(killAt))
await realm.close()

async function fill(count: number): Promise<void> {
  const ports = { log: realm.log, env, source: 'polity://test' }
  const time = new Date(env.now() - AGE_MS).toISOString()
  const told = (number: number, attributes: object) =>
    tally.Told({ teller: `t${number % 7}`, number, secret: 'x' }, attributes)
  for (let number = 0; number < count; number += 500)
    await recordAsHub(
      ports,
      Array.from({ length: 500 }, (_, index) => told(number + index, { time })),
    )
  await recordAsHub(ports, [told(0, {})], {}, { wait: 'signed' })
}

async function prune(run: string, point: number): Promise<void> {
  let commits = 0
  const die = (at: number) => {
    if (at === point) process.kill(process.pid, 'SIGKILL')
  }
  const append: Realm['log']['append'] = async (...args) => {
    commits += 1
    die(commits * 2 - 1)
    const receipt = await realm.log.append(...args)
    die(commits * 2)
    return receipt
  }
  const log = { ...realm.log, append }
  const ports = { log, env, source: 'polity://test' }
  const output = await pruneLog(
    { realm: { ...realm, log }, env, record: (...args) => recordAsHub(ports, ...args) },
    contextOf(run),
  )
  writeSync(1, `done ${commits} ${JSON.stringify(output)}\n`)
}

/** As the runs room: a step whose result was kept is not taken again. */
function contextOf(run: string): CommandContext {
  const journal = join(root, `${run}.journal`)
  const results: Record<string, unknown> = existsSync(journal)
    ? JSON.parse(readFileSync(journal, 'utf8'))
    : {}
  const { signal } = new AbortController()
  return {
    id: run,
    chain: [{ kind: 'user', id: 'owner', roles: ['owner'] }],
    signal,
    progress: () => undefined,
    step: async (name, body) => {
      if (!(name in results)) {
        results[name] =
          (await body({ signal, attempt: 1, record: () => undefined, heartbeat: () => undefined })) ?? null
        writeFileSync(journal, JSON.stringify(results))
      }
      return results[name]
    },
  } as Partial<CommandContext> as CommandContext
}
