// Keys of a log that hubs share: no hub of it hands over, so none can miss that another one did.

import { expect, it } from 'vitest'
import { state } from '../../src/modules/state/module.ts'
import { describeOnPostgres } from '../conformance/store/postgres-server.ts'
import { entriesOf, errorOf } from './lab/hubs.ts'
import { twoHubs } from './lab/two-hubs.ts'

await describeOnPostgres('the key that two hubs share', () => {
  it('is handed over through neither, and both go on with it', async () => {
    const { first, second } = await twoHubs(() => ({ modules: [state] }))
    const keysOf = async (hub: typeof first) => (await hub.ask(hub.owner, 'keys.list', {})).output
    const before = await keysOf(first)
    for (const hub of [second, first])
      for (const input of [{}, { reason: 'compromised' }, { overlapHours: 0 }])
        expect(await errorOf(hub.invoke(hub.owner, 'keys.rotate', input))).toMatchObject({
          code: 'keys.external',
          message: expect.stringContaining('several hubs share this log'),
        })
    for (const hub of [first, second]) {
      expect(await entriesOf(hub, 'log.key-rotated@1')).toEqual([])
      expect(await keysOf(hub)).toEqual(before)
      const put = { namespace: 'n', key: 'k', value: 1 }
      expect(await hub.invoke(hub.owner, 'state.put', put)).toMatchObject({ status: 'done' })
    }
  })
})
