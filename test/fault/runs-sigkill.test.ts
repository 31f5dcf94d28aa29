// SIGKILL while a thousand runs are under way, again and again; and of one of two hubs that share them: every run ends once.

import { appendFileSync, copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { it, onTestFinished } from 'vitest'
import { openHub } from '../../src/hub.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { tempFolder } from '../integration/lab/hubs.ts'
import { expectOnce, runsVictim } from './many-runs.ts'
import { manySteps } from './runs.fixture.ts'

const RUNS = 1000
/** Effects that each life is allowed to have. */
const LIVES = [700, 1, 900, 1100, 400]

const effectsTo = (root: string) => (effect: string) => appendFileSync(join(root, 'effects'), `${effect}\n`)

it('finishes a thousand runs once each, though their process is killed in the middle again and again', {
  timeout: 240_000,
}, async () => {
  const { root } = tempFolder()
  for (const [life, effects] of LIVES.entries()) {
    const hub = runsVictim(root, 'data', { count: life === 0 ? RUNS : 0, effectsMax: effects })
    if (life === 0) await hub.said('begun')
    await hub.said('effect', effects)
    await hub.kill()
  }
  const hub = await openHub({
    dir: join(root, 'data'),
    anchorPath: join(root, 'data.anchor'),
    modules: [manySteps(effectsTo(root))],
  })
  onTestFinished(() => hub.close())
  await expectOnce(hub, root, RUNS)
})

await describeOnPostgres('two hubs that carry out runs on one database', () => {
  it('finish those of the one that is killed, once each', { timeout: 240_000 }, async () => {
    const count = 200
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(() => dropRealm(realm).then(() => undefined))
    const first = runsVictim(root, 'a', { count, storeUrl: POSTGRES_URL, realm })
    await first.said('open')
    mkdirSync(join(root, 'b'), { mode: 0o700 })
    for (const key of ['log.key', 'statements.key', 'vault.key', 'witness.key'])
      copyFileSync(join(root, 'a', key), join(root, 'b', key))
    await first.said('begun')
    const second = await openHub({
      dir: join(root, 'b'),
      anchorPath: join(root, 'b.anchor'),
      storeUrl: POSTGRES_URL,
      realm,
      modules: [manySteps(effectsTo(root))],
    })
    onTestFinished(() => second.close())
    await first.said('effect', count)
    await first.kill()
    await expectOnce(second, root, count)
  })
})
