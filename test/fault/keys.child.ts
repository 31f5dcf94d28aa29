// A process that hands its log over from key to key without end: the victim of the keys' fault test.

import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { state } from '../../src/modules/state/module.ts'
import { say } from './say.ts'

const [root = ''] = process.argv.slice(2)
/** Lines on stdout: `open VKEY`, `rotated FROM TO`, `retired`. */

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [state],
  publishIntervalMs: 0,
  onFailure: (error) => say(`failure ${error.code}`),
})
say(`open ${hub.log.vkey}`)

const ask = async (action: string, input: object) => {
  try {
    const answer = await hub.invoke(hub.owner, action, input)
    return answer.status === 'done' ? (answer.output as Record<string, string>) : undefined
  } catch (error) {
    // An earlier life may have left an overlap, or none.
    if (error instanceof PolityError && error.code === 'keys.overlap') return undefined
    throw error
  }
}

for (let turn = 0; ; turn++) {
  const rotated = await ask('keys.rotate', {
    overlapHours: turn % 2,
    reason: turn % 3 ? 'scheduled' : 'compromised',
  })
  if (rotated) say(`rotated ${rotated.from} ${rotated.to}`)
  await ask('state.put', { namespace: 'n', key: `k${turn}`, value: turn })
  if (await ask('keys.retire', {})) say('retired')
}
