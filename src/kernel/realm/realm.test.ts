// A realm in memory: its sweeps.

import { describe, expect, it } from 'vitest'
import { systemEnv } from '../env.ts'
import { LIMITS } from '../log/proposal.ts'
import { SWEEP_LIMIT_ROWS } from '../log/sequencer.ts'
import { openRealm } from './open-realm.ts'

const open = () =>
  openRealm({
    name: 'test',
    contracts: [],
    env: systemEnv(),
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })

describe('a sweep', () => {
  it('drops everything that has expired, however much, and nothing else', async () => {
    const realm = await open()
    const count = SWEEP_LIMIT_ROWS * 2 + 500
    const rows = Array.from({ length: count }, (_, n) => ({
      table: 't',
      key: `${n}`,
      value: '1',
      expiresAtMs: 1,
    }))
    await realm.log.append({ entries: [], rows: [...rows, { table: 't', key: 'kept', value: '1' }] })
    expect(await realm.sweep('t')).toBe(count)
    expect(
      (await realm.reader.scan('t', { limit: LIMITS.queueProposals })).value.map(({ key }) => key),
    ).toEqual(['kept'])
    expect(await realm.sweep('t')).toBe(0)
    await realm.close()
  })
})
