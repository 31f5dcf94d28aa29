// A process that owns a hub and never stops asking people and answering for them: the victim of the approvals' fault test.

import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { state } from '../../src/modules/state/module.ts'
import { ann, held, vote } from '../integration/lab/approvals.ts'
import { lab } from '../integration/lab/module.ts'
import { say } from './say.ts'

const [root = '', policyDir = ''] = process.argv.slice(2)

/** Lines on stdout: `open`, `held APPROVAL`, `agreed APPROVAL`. */

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  policyDir,
  modules: [lab(), state],
})
say('open')
for (let turn = 0; ; turn++) {
  const approval = await held(hub, ann, 'lab.work', { steps: 2, secret: `s${turn}` })
  say(`held ${approval}`)
  // Every third one still waits when the process dies.
  if (turn % 3 === 2) continue
  await vote(hub, { chain: [OWNER] }, approval)
  say(`agreed ${approval}`)
}
